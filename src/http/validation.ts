import { applyDecorators, type ArgumentMetadata, ValidationPipe, type ValidationPipeOptions } from '@nestjs/common';
import { Transform } from 'class-transformer';
import {
  ArrayNotEmpty,
  ArrayUnique,
  IsArray,
  IsIn,
  Matches,
  MaxLength,
  ValidateBy,
  ValidateIf,
  type ValidationError,
} from 'class-validator';
import { defineProblem, type FieldError } from '../problems/problem.js';
import { isSqlText, sqlTime } from './sql-values.js';

/** A name that every object has, such as "constructor". Validation would take it for a field it knows. */
export const foreignNameIn = (value: object): string | undefined =>
  Object.keys(value).find((name) => name in Object.prototype);

export const ValidationFailedError = defineProblem(
  'validation_failed',
  400,
  'Some fields are missing or not as they should be; see errors.',
);

const REQUIRED = 'is required';
const UNEXPECTED = 'is not expected here';
const CONTROL_CHARACTERS = 'must not contain control characters';

/**
 * One field is not as it should be. The message is for people: the rest of a sentence that begins with the field, so that
 * a page can put its own label there ("New password is required").
 */
export class InvalidFieldError extends ValidationFailedError {
  constructor(field: string, message: string) {
    super({ errors: [{ field, message }] });
  }
}

/** A field that no DTO has. */
export class ForeignFieldError extends InvalidFieldError {
  constructor(field: string) {
    super(field, UNEXPECTED);
  }
}

class StrictValidationPipe extends ValidationPipe {
  override transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    // What a decorator of ours takes from a request, such as its caller, is no input.
    return metadata.type === 'custom' ? Promise.resolve(value) : this.transformInput(value, metadata);
  }

  private async transformInput(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    if (typeof value === 'object' && value !== null) {
      const foreign = foreignNameIn(value);
      if (foreign !== undefined) {
        throw new ForeignFieldError(foreign);
      }
      const unstorable = unstorableIn(value);
      if (unstorable) {
        throw new InvalidFieldError(unstorable.reduce(fieldIn, ''), CONTROL_CHARACTERS);
      }
    }
    return super.transform(value, metadata);
  }
}

/** The names that lead to a text, or to a map with a key, that PostgreSQL cannot hold. Null where there is none. */
function unstorableIn(value: unknown, isField = false): string[] | null {
  if (typeof value === 'string') {
    return isSqlText(value) ? null : [];
  }
  if (typeof value !== 'object' || value === null) {
    return null;
  }
  for (const [name, inner] of Object.entries(value)) {
    // A field of another name than those of its DTO is refused, or ignored. A key of a map may be anything.
    if (isField && !isSqlText(name)) {
      return [];
    }
    const names = unstorableIn(inner, true);
    if (names) {
      return [name, ...names];
    }
  }
  return null;
}

const OPTIONS = {
  transform: true,
  whitelist: true,
  forbidUnknownValues: true,
  stopAtFirstError: true,
  // The value says whether there was one. Nothing else of it is used.
  validationError: { target: false, value: true },
  exceptionFactory: (errors) => new ValidationFailedError({ errors: errors.flatMap((error) => fieldErrorsOf(error)) }),
} satisfies ValidationPipeOptions;

/** Checks bodies and queries against their DTO: unknown fields and wrong types are refused, nothing is converted. */
export const validationPipe = new StrictValidationPipe({ ...OPTIONS, forbidNonWhitelisted: true });

/** The same for forms, whose unknown fields are ignored. */
export const formPipe = new StrictValidationPipe(OPTIONS);

// One for each field, and of an object in it those of its own fields, as "devices[0].name".
function fieldErrorsOf(error: ValidationError, path = ''): FieldError[] {
  const { property, constraints = {}, children = [] } = error;
  const field = fieldIn(path, property);
  const inner = children.flatMap((child) => fieldErrorsOf(child, field));
  return inner.length > 0 ? inner : [{ field, message: messageOf(property, error.value, constraints) }];
}

function fieldIn(path: string, name: string): string {
  const separator = path === '' ? '' : '.';
  return path + (/^\d+$/.test(name) ? `[${name}]` : separator + name);
}

function messageOf(property: string, value: unknown, constraints: Record<string, string>): string {
  if (value === undefined) {
    return REQUIRED;
  }
  if ('whitelistValidation' in constraints) {
    return UNEXPECTED;
  }
  const [message = 'is not as it should be'] = Object.values(constraints);
  // The library's own messages begin with the name of the field.
  return message.startsWith(`${property} `) ? message.slice(property.length + 1) : message;
}

// Lone surrogates are not text, and PostgreSQL cannot hold U+0000.
const NO_CONTROLS = /^(?!.*[\p{Cc}\p{Cs}]).*$/su;
const NO_CONTROLS_OR_DIRECTION_MARKS =
  /^(?!.*[\p{Cc}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]).*[^\s\p{DI}\u2800].*$/su;

/** May be left out, but not null: null is no value of any field. */
export const IsOptionalField = () => ValidateIf((_, value) => value !== undefined);

/** A time of RFC 3339, or a date. It arrives as statements take it. */
export const IsTime = () =>
  applyDecorators(
    Transform(({ value }) => (typeof value === 'string' ? (sqlTime(value) ?? value) : value)),
    ValidateBy({
      name: 'isTime',
      validator: {
        validate: (value: unknown) => typeof value === 'string' && sqlTime(value) === value,
        defaultMessage: () => 'must be a time such as 2026-11-01T00:00:00Z',
      },
    }),
  );

/** A list of known values, none of them twice. */
export function DistinctValuesOf(values: readonly string[], { mayBeEmpty = false } = {}): PropertyDecorator {
  const known = values.join(', ');
  const options = {
    message: mayBeEmpty
      ? `must be a list of ${known}, each at most once`
      : `must be a list of at least one of ${known}, each once`,
  };
  return applyDecorators(
    IsIn(values, { ...options, each: true }),
    ArrayUnique(options),
    ...(mayBeEmpty ? [] : [ArrayNotEmpty(options)]),
    IsArray(options),
  );
}

/** A string without control characters or lone surrogates. */
export const NoControlCharacters = () => Matches(NO_CONTROLS, { message: CONTROL_CHARACTERS });

/** A string of so many characters at most. */
export const AtMostCharacters = (max: number) =>
  MaxLength(max, { message: `must not have more than ${max} characters` });

/** Text that will be shown to people: visible, and unable to turn the line around. */
export const PlainText = () =>
  applyDecorators(
    Matches(NO_CONTROLS_OR_DIRECTION_MARKS, {
      message: 'must contain a visible character, and no control or text direction characters',
    }),
  );
