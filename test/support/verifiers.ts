import {
  createVerifier,
  type StrictSettings,
  type UnavailableError,
  type Verifier,
  type VerifierSettingsError,
} from '../../src/verifier/index.js';

/** A verifier with nothing but what it must be given, and what it reported. */
export interface TestVerifier {
  readonly verifier: Verifier;
  readonly reported: (UnavailableError | VerifierSettingsError)[];
}

// Longer than anything takes on a busy machine: no test is about being slow unless it says so.
const TIMEOUT_MS = 30_000;

export function makeVerifier(
  url: string,
  client: { readonly id: string; readonly clientSecret: string },
  settings: Partial<StrictSettings> = {},
): TestVerifier {
  const reported: TestVerifier['reported'] = [];
  const verifier = createVerifier({
    url,
    clientId: client.id,
    clientSecret: client.clientSecret,
    timeoutMs: TIMEOUT_MS,
    onError: (error) => reported.push(error),
    ...settings,
  });
  return { verifier, reported };
}

/** By which code a token was refused, or for which reason nobody could say; "accepted" where it was accepted. */
export const verdictOf = (verifying: Promise<unknown>): Promise<string> =>
  verifying.then(
    () => 'accepted',
    (error: { code: string; reason?: string }) => error.reason ?? error.code,
  );
