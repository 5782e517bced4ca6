// What the client throws, and what an answer holds.

/** Any error of the client. Its `code` says what happened, for programs. */
export class LatchkeyError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {ErrorOptions} [options]
   */
  constructor(code, message, options) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** What the API refused: its problem. */
export class ApiError extends LatchkeyError {
  /**
   * @param {Response} response
   * @param {{ code?: string, detail?: string, requestId?: string, errors?: { field: string, message: string }[] }} problem
   */
  constructor({ status, headers }, problem) {
    super(problem.code ?? 'unknown', problem.detail ?? `HTTP ${status}`);
    this.status = status;
    this.errors = problem.errors ?? [];
    this.requestId = problem.requestId ?? headers.get('x-request-id');
    this.retryAfterSeconds = Number(headers.get('retry-after')) || null;
  }

  /** @param {Response} response */
  static async of(response) {
    // What stands between may answer with something else than a problem.
    const body = await response.json().catch(() => null);
    return new ApiError(response, body !== null && typeof body === 'object' ? body : {});
  }
}

/** There was no answer. What was asked for may have been done. */
export class UnreachableError extends LatchkeyError {
  /** @param {unknown} cause */
  constructor(cause) {
    super('unreachable', 'There was no answer.', { cause });
  }
}

/** The session ended before the request was answered. The event `signedout` said so, with this reason. */
export class SignedOutError extends LatchkeyError {
  /** @param {string} reason */
  constructor(reason) {
    super('signed_out', `Signed out: ${reason}.`);
    this.reason = reason;
  }
}

/**
 * The JSON of an answer; null where it has none.
 *
 * @param {Response} response
 * @returns {Promise<any>}
 */
export async function bodyOf(response) {
  try {
    const text = await response.text();
    return text === '' ? null : JSON.parse(text);
  } catch (cause) {
    throw new UnreachableError(cause);
  }
}
