import { applyDecorators, createParamDecorator, type ExecutionContext, type Type } from '@nestjs/common';
import { ApiBody, ApiConsumes } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { UnsupportedMediaTypeError } from '../problems/http.errors.js';
import { Problem } from '../problems/problem.js';
import { type BodyRule, MalformedBodyError, MAX_MEMBERS } from './route-body.js';
import { RouteMark } from './route-mark.js';
import { isSqlText } from './sql-values.js';
import { InvalidFieldError, formPipe } from './validation.js';

const MEDIA_TYPE = 'application/x-www-form-urlencoded';

const tooMany = () => new MalformedBodyError({ detail: `A form has at most ${MAX_MEMBERS} parameters.` });
const malformed = () => new MalformedBodyError({ detail: 'The body is not a form in UTF-8.' });

/** What a form is read by. */
export const readableForm = (limitBytes: number) => ({
  mediaType: MEDIA_TYPE,
  limitBytes,
  unsupported: () =>
    new UnsupportedMediaTypeError({
      detail: `Send the body uncompressed, as a form, with "Content-Type: ${MEDIA_TYPE}".`,
    }),
  malformed,
});

/** The fields of a form that were sent once and not empty (RFC 6749, 3.2), and what is wrong with the form. */
export class Form {
  constructor(
    readonly fields: Readonly<Record<string, string>>,
    readonly problem: Problem | null,
  ) {}
}

/** Reads a form. Names that every object has are left out, as all that are unknown will be. */
export function parseForm(text: string): Form {
  if (!isWellFormed(text)) {
    return new Form({}, malformed());
  }
  const parameters = [...new URLSearchParams(text)];
  if (parameters.length > MAX_MEMBERS) {
    return new Form({}, tooMany());
  }
  const counts = new Map<string, number>();
  for (const [name] of parameters) {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const isRepeated = (name: string) => (counts.get(name) ?? 0) > 1;
  const fields = parameters.filter(([name, value]) => value !== '' && !isRepeated(name) && !(name in Object.prototype));
  const first = [...counts.keys()].find(isRepeated);
  return new Form(
    Object.fromEntries(fields),
    first === undefined ? null : new InvalidFieldError(first, 'must not be sent twice'),
  );
}

// The parser takes anything: it would leave a broken sequence as it stands, and replace what is not UTF-8.
function isWellFormed(text: string): boolean {
  try {
    return isSqlText(decodeURIComponent(text));
  } catch {
    return false;
  }
}

/** The fields of a request's form, before it is looked for faults: for guards. None where there is no form. */
export const formFieldsOf = ({ body }: FastifyRequest): Form['fields'] => (body instanceof Form ? body.fields : {});

/** What is wrong with a request's form. Null where nothing is, and on a route that takes none. */
export function formProblemOf({ body, routeOptions }: FastifyRequest): Problem | null {
  if (routeOptions.config.bodyRule?.type !== 'form') {
    return null;
  }
  const problem = body instanceof Form ? body.problem : body;
  return problem instanceof Problem ? problem : null;
}

/** A route that takes a form, and nothing else. */
export const TakesForm = (Dto: Type): MethodDecorator =>
  applyDecorators(
    RouteMark({ bodyRule: { type: 'form' } satisfies BodyRule }),
    ApiConsumes(MEDIA_TYPE),
    ApiBody({ type: Dto }),
  );

/** The form of a request, by its DTO. Fields that the DTO does not have are ignored (RFC 6749, 3.2). */
export const FormBody = (Dto: Type): ParameterDecorator =>
  createParamDecorator((_: unknown, context: ExecutionContext) => {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const problem = formProblemOf(request);
    if (problem) {
      throw problem;
    }
    return formFieldsOf(request);
  })(undefined, { transform: (fields: object) => formPipe.transform(fields, { type: 'body', metatype: Dto }) });
