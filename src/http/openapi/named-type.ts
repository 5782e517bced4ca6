import type { Type } from '@nestjs/common';
import { getSchemaPath, type SchemaObject } from '@nestjs/swagger';

/** A type of the OpenAPI document, in the options of a property. */
export interface NamedType {
  readonly enum: string[];
  readonly enumName: string;
}

const types = new Map<string, SchemaObject>();

/** Declares what a property may hold under a name of its own, so that a generated client has one type for it. */
export function namedType(name: string, values: readonly string[], description: string): NamedType {
  // Nest would take the description from the property that it meets first.
  types.set(name, { type: 'string', enum: [...values], description });
  return { enum: [...values], enumName: name };
}

/** Declares a type that is one of several classes; a field tells which. */
export function namedUnion(
  name: string,
  { discriminator, classes }: { readonly discriminator: string; readonly classes: Readonly<Record<string, Type>> },
  description: string,
): { $ref: string } {
  const paths = Object.entries(classes).map(([value, Dto]) => [value, getSchemaPath(Dto)] as const);
  types.set(name, {
    oneOf: paths.map(([, $ref]) => ({ $ref })),
    discriminator: { propertyName: discriminator, mapping: Object.fromEntries(paths) },
    description,
  });
  return { $ref: getSchemaPath(name) };
}

/** The same, or null. */
export const orNull = (type: NamedType) => ({ ...type, oneOf: [{ type: 'null' }] });

/** Every type that is declared by what is loaded. */
export const namedTypes = (): Record<string, SchemaObject> => Object.fromEntries(types);
