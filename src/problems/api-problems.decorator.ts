import { applyDecorators } from '@nestjs/common';
import { ApiExtension } from '@nestjs/swagger';
import { declaredProblems, type ProblemKind } from './problem.js';

const extensionOf = (code: string) => `x-problem-${code}`;

/**
 * Documents the problems that are a route's own, or those of all routes of a controller. What many routes share is added
 * to the OpenAPI document by its rules.
 */
export function ApiProblems(...problems: readonly ProblemKind[]): ClassDecorator & MethodDecorator {
  return applyDecorators(...problems.map(({ code, status }) => ApiExtension(extensionOf(code), status)));
}

/** The problems that {@link ApiProblems} left on an operation of the document, where they are removed. */
export function takeProblems(operation: object): ProblemKind[] {
  return declaredProblems().flatMap((kind) => {
    const status: unknown = Reflect.get(operation, extensionOf(kind.code));
    Reflect.deleteProperty(operation, extensionOf(kind.code));
    return typeof status === 'number' ? [{ ...kind, status }] : [];
  });
}
