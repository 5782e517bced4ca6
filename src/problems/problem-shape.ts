import { STATUS_CODES } from 'node:http';
import type { Type } from '@nestjs/common';
import { ProblemDto } from './problem.dto.js';
import type { Problem, ProblemKind } from './problem.js';

/** How problems are written as answers. */
export interface ProblemShape {
  /** Begins the names of what the OpenAPI document has of it. */
  readonly name: string;
  readonly mediaType: string;
  /** The class that documents its bodies. */
  readonly Dto: Type;
  /** The kind that a client meets: where a protocol has codes and statuses of its own, another than was declared. */
  kindOf(kind: ProblemKind): ProblemKind;
  headersOf(problem: Problem): Readonly<Record<string, string>>;
  bodyOf(problem: Problem, requestId: string): Record<string, unknown>;
}

// RFC 6750, section 3.1: say what is wrong with an access token, and nothing more where none was sent.
const ACCESS_TOKEN_CODES: ReadonlySet<string> = new Set(['invalid_token', 'session_revoked', 'session_expired']);

function challengeOf({ code, message }: Problem): string {
  const realm = 'Bearer realm="latchkey"';
  const description = message.replaceAll('"', "'");
  return ACCESS_TOKEN_CODES.has(code) ? `${realm}, error="invalid_token", error_description="${description}"` : realm;
}

/** RFC 9457: how every problem is written, unless its path has another shape. */
export const PROBLEM_DETAILS: ProblemShape = {
  name: '',
  mediaType: 'application/problem+json',
  Dto: ProblemDto,
  kindOf: (kind) => kind,
  headersOf: (problem) => ({ ...(problem.status === 401 && { 'WWW-Authenticate': challengeOf(problem) }) }),
  bodyOf: ({ status, code, message, errors }, requestId) => ({
    type: 'about:blank',
    // Of a status that nobody registered, what a client has to take it for (RFC 9110, 15).
    title: STATUS_CODES[status] ?? STATUS_CODES[400],
    status,
    detail: message,
    code,
    requestId,
    ...(errors && { errors }),
  }),
};

const shapes = new Map<string, ProblemShape>();

/** Gives the problems of all paths that begin so another shape, at addresses without a route too. */
export function shapeProblemsBelow(path: `/${string}/`, shape: ProblemShape): void {
  shapes.set(path, shape);
}

/** The shape of problems at a path. */
export function problemShapeAt(path: string): ProblemShape {
  for (const [start, shape] of shapes) {
    if (path.startsWith(start)) {
      return shape;
    }
  }
  return PROBLEM_DETAILS;
}

/** Every shape, RFC 9457 first. */
export const problemShapes = (): ProblemShape[] => [PROBLEM_DETAILS, ...new Set(shapes.values())];
