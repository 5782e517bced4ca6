import { applyDecorators, type ArgumentMetadata, ValidationPipe } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { Matches, ValidateBy, ValidateIf, type ValidationError } from 'class-validator';
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

/** One field is not as it should be. The message is for people. */
export class InvalidFieldError extends ValidationFailedError {
  constructor(field: string, message: string) {
    super({ errors: [{ field, message }] });
  }
}

/** A field that no DTO has. */
export class ForeignFieldError extends InvalidFieldError {
  constructor(field: string) {
    super(field, `property ${field} should not exist`);
  }
}

class StrictValidationPipe extends ValidationPipe {
  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    if (typeof value === 'object' && value !== null && metadata.type !== 'custom') {
      const foreign = foreignNameIn(value);
      if (foreign !== undefined) {
        throw new ForeignFieldError(foreign);
      }
      const unstorable = Object.entries(value).find(([, text]) => typeof text === 'string' && !isSqlText(text));
      if (unstorable) {
        throw new InvalidFieldError(unstorable[0], `${unstorable[0]} must not contain U+0000`);
      }
    }
    return super.transform(value, metadata);
  }
}

/** Checks bodies and queries against their DTO: unknown fields and wrong types are refused, nothing is converted. */
export const validationPipe = new StrictValidationPipe({
  transform: true,
  whitelist: true,
  forbidNonWhitelisted: true,
  forbidUnknownValues: true,
  stopAtFirstError: true,
  validationError: { target: false, value: false },
  exceptionFactory: (errors) => new ValidationFailedError({ errors: errors.map(fieldErrorOf) }),
});

function fieldErrorOf({ property, constraints = {} }: ValidationError): FieldError {
  return { field: property, message: Object.values(constraints)[0] ?? `${property} is not as it should be` };
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
        defaultMessage: () => '$property must be a time such as 2026-11-01T00:00:00Z',
      },
    }),
  );

/** A string without control characters or lone surrogates. */
export const NoControlCharacters = () =>
  Matches(NO_CONTROLS, { message: '$property must not contain control characters' });

/** Text that will be shown to people: visible, and unable to turn the line around. */
export const PlainText = () =>
  applyDecorators(
    Matches(NO_CONTROLS_OR_DIRECTION_MARKS, {
      message: '$property must contain a visible character, and no control or text direction characters',
    }),
  );
