// What an answer of the API holds, and what the client throws.

/** What the API refused: its problem. */
export class Refusal extends Error {
  constructor({ status, headers }, problem) {
    super(problem.detail ?? `HTTP ${status}`);
    this.status = status;
    this.code = problem.code ?? 'unknown';
    this.errors = problem.errors ?? [];
    this.retryAfterSeconds = Number(headers.get('retry-after')) || null;
  }

  static async of(response) {
    return new Refusal(response, await response.json().catch(() => ({})));
  }
}

/** There was no answer. What was asked for may have been done. */
export class Unreachable extends Error {}

/** The session ended before the request was answered. The event `signedout` said so. */
export class SignedOut extends Error {}

/** The JSON of an answer; null where it has none. */
export async function bodyOf(response) {
  const text = await response.text();
  return text === '' ? null : JSON.parse(text);
}
