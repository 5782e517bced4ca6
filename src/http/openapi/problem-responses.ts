import {
  type ComponentsObject,
  getSchemaPath,
  type HeaderObject,
  type ReferenceObject,
  type ResponseObject,
} from '@nestjs/swagger';
import { EXAMPLE_REQUEST_ID } from '../../problems/problem.dto.js';
import type { ProblemShape } from '../../problems/problem-shape.js';
import { declaredProblems, Problem, type ProblemKind } from '../../problems/problem.js';
import { ValidationFailedError } from '../validation.js';
import type { RefusalHeader } from './refusal-header.js';

const HEADERS = {
  'X-Request-Id': {
    description: 'The id of this request in our logs; your own, if you sent one.',
    schema: { type: 'string', example: EXAMPLE_REQUEST_ID },
  },
  'WWW-Authenticate': { description: 'RFC 6750.', schema: { type: 'string', example: 'Bearer realm="latchkey"' } },
  'Retry-After': { description: 'Seconds.', schema: { type: 'string', example: '1' } },
} satisfies Record<string, HeaderObject>;

const HEADER_OF_STATUS: Readonly<Record<number, keyof typeof HEADERS>> = {
  401: 'WWW-Authenticate',
  429: 'Retry-After',
  503: 'Retry-After',
};

const ANY_OTHER = 'AnyOther';
const EXAMPLE_ERRORS = [{ field: 'email', message: 'must be an e-mail address' }];

/** Refers to headers that stand once in the document; the request id is on every answer. */
export const headers = (...names: readonly (keyof typeof HEADERS)[]) =>
  Object.fromEntries(['X-Request-Id', ...names].map((name) => [name, { $ref: `#/components/headers/${name}` }]));

/** The headers of the document that answers refer to. */
export const documentedHeaders = (own: Readonly<Record<string, HeaderObject>>) => ({ ...HEADERS, ...own });

/**
 * The error responses of the document that have one shape: each combination of problems once, however many routes answer
 * with it.
 */
export class ProblemResponses {
  private readonly responses: Record<string, ResponseObject>;
  private readonly examples: Record<string, { value: object }> = {};
  private readonly anyOther: string;

  constructor(private readonly shape: ProblemShape) {
    this.anyOther = `${shape.name}${ANY_OTHER}`;
    this.responses = {
      [this.anyOther]: { description: 'Any other refusal.', headers: headers(), content: this.content() },
    };
  }

  get components(): Required<Pick<ComponentsObject, 'responses' | 'examples'>> {
    return { responses: this.responses, examples: this.examples };
  }

  /** What a route answers with these problems, by status. */
  of(problems: readonly ProblemKind[], own?: RefusalHeader): Record<string, ReferenceObject> {
    const kinds = new Map(problems.map((kind) => this.shape.kindOf(kind)).map((kind) => [this.nameOf(kind), kind]));
    const sorted = [...kinds.values()].toSorted((one, other) => (one.code < other.code ? -1 : 1));
    const statuses = [...new Set(sorted.map(({ status }) => status))];
    const referTo = (status: number) =>
      this.refer(
        status,
        sorted.filter((kind) => kind.status === status),
        own?.statuses.includes(status) ? own : undefined,
      );
    return {
      ...Object.fromEntries(statuses.map((status) => [status, referTo(status)])),
      default: { $ref: `#/components/responses/${this.anyOther}` },
    };
  }

  private refer(status: number, kinds: readonly ProblemKind[], own?: RefusalHeader): ReferenceObject {
    const name = `${kinds.map((kind) => this.nameOf(kind)).join('Or')}${own ? `With${own.component}` : ''}`;
    const header = HEADER_OF_STATUS[status];
    this.responses[name] ??= {
      // Markdown would take what is in angle brackets for an element.
      description: kinds.map(({ code, detail }) => `\`${code}\`: ${detail.replaceAll('<', '\\<')}`).join('\n\n'),
      headers: {
        ...headers(...(header ? [header] : [])),
        ...(own && { [own.header]: { $ref: `#/components/headers/${own.component}` } }),
      },
      content: this.content({ examples: Object.fromEntries(kinds.map((kind) => [kind.code, this.exampleOf(kind)])) }),
    };
    return { $ref: `#/components/responses/${name}` };
  }

  private exampleOf(kind: ProblemKind): ReferenceObject {
    const problem = new Problem(kind, kind.code === ValidationFailedError.code ? { errors: EXAMPLE_ERRORS } : {});
    this.examples[this.nameOf(kind)] ??= { value: this.shape.bodyOf(problem, EXAMPLE_REQUEST_ID) };
    return { $ref: `#/components/examples/${this.nameOf(kind)}` };
  }

  private content(own: { examples?: Record<string, ReferenceObject> } = {}): ResponseObject['content'] {
    return { [this.shape.mediaType]: { schema: { $ref: getSchemaPath(this.shape.Dto) }, ...own } };
  }

  /** `session_revoked` as SessionRevoked; with its status where that is not the one it was declared with. */
  private nameOf({ code, status }: ProblemKind): string {
    const words = code.split('_').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
    const isDeclared = declaredProblems().some((kind) => kind.code === code && kind.status === status);
    return `${this.shape.name}${words.join('')}${isDeclared ? '' : status}`;
  }
}
