import { type ClassConstructor, plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';

/**
 * What is asked for at the command line, held to the rules of a request. `read` finds the fields among the arguments, and finds
 * null or throws where they are not clear. Null then, and where a rule is broken, after telling the person what is.
 */
export function readInput<Input extends object>(
  type: ClassConstructor<Input>,
  read: () => object | null,
  usage: string,
): Input | null {
  const fields = attempt(read);
  const input = fields && plainToInstance(type, fields);
  const broken = input ? validateSync(input) : [];
  const complaints = broken.map(
    ({ property, constraints = {} }) => `The ${property} ${Object.values(constraints)[0]}.`,
  );
  if (input && complaints.length === 0) {
    return input;
  }
  console.error([...complaints, usage].join('\n'));
  return null;
}

function attempt<T>(read: () => T | null): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

/** Splits lists with commas, as arguments have them. */
export const listOf = (values: readonly string[]): string[] =>
  values.flatMap((list) => list.split(',')).map((value) => value.trim());
