/** What a client meets: a stable code for programs, its status, and a sentence for people. */
export interface ProblemKind {
  readonly code: string;
  readonly status: number;
  readonly detail: string;
}

export interface FieldError {
  readonly field: string;
  readonly message: string;
}

interface ProblemOptions {
  /** Only where one code answers with another status in one place. */
  readonly status?: number;
  /** Only where more can be said than the declaration says. */
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** An expected failure, declared with {@link defineProblem}. The filter turns it into problem+json (RFC 9457). */
export class Problem extends Error {
  readonly code: string;
  readonly status: number;
  readonly errors: readonly FieldError[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    kind: ProblemKind,
    { status = kind.status, detail = kind.detail, errors, headers = {} }: ProblemOptions = {},
  ) {
    super(detail);
    this.name = kind.code;
    this.code = kind.code;
    this.status = status;
    this.errors = errors;
    this.headers = headers;
  }
}

/** The class of a declared problem, which is also the description of it. */
export interface ProblemClass extends ProblemKind {
  new (options?: ProblemOptions): Problem;
}

const kinds = new Map<string, ProblemKind>();

/**
 * Declares a problem, where it happens: this one line is its class, its answer and its entry in the OpenAPI document.
 * A base class is for problems that are caught as a group. Throws where the code is declared already.
 */
export function defineProblem(code: string, status: number, detail: string, Base = Problem): ProblemClass {
  if (kinds.has(code)) {
    throw new Error(`The problem ${code} is declared twice.`);
  }
  const kind = { code, status, detail };
  kinds.set(code, kind);
  return class extends Base {
    static readonly code = code;
    static readonly status = status;
    static readonly detail = detail;

    constructor(options?: ProblemOptions) {
      super(kind, options);
    }
  };
}

/** A declared problem where it answers with another status than its own. */
export function withStatus(status: number, Declared: ProblemClass): ProblemClass {
  return class extends Declared {
    static override readonly status = status;

    constructor(options?: ProblemOptions) {
      super({ ...options, status });
    }
  };
}

/** Every problem that is declared by what is loaded, in the order of its code. */
export const declaredProblems = (): ProblemKind[] =>
  [...kinds.values()].toSorted((one, other) => (one.code < other.code ? -1 : 1));

/** A 503. The seconds say when another try makes sense (RFC 9110, Retry-After). */
export class ServiceUnavailableError extends defineProblem(
  'service_unavailable',
  503,
  'The service cannot answer right now and the outcome is unknown. Try again with the same tokens.',
) {
  constructor(retryAfterSeconds = 1) {
    super({ headers: { 'Retry-After': String(retryAfterSeconds) } });
  }
}

const TOO_MANY = 'Too many tries. Wait as long as Retry-After says, then try again';

/** A 429. Says when to try again, and nothing about any account (ERR-03, RL-07). */
export class TooManyRequestsError extends defineProblem('too_many_requests', 429, `${TOO_MANY}.`) {
  /** @param setting its name, where the client may learn it */
  constructor(milliseconds: number, setting?: string) {
    super({
      headers: { 'Retry-After': String(Math.max(1, Math.ceil(milliseconds / 1000))) },
      ...(setting !== undefined && { detail: `${TOO_MANY}, or set ${setting} to allow more.` }),
    });
  }
}
