import { VerifierSettingsError } from './errors.js';
import { guarded, type Report, warnOf } from './warnings.js';

interface CommonSettings {
  /** Where Latchkey answers, such as `https://auth.example.com`, or its address inside the network. */
  readonly url: string | undefined;
  /** Latchkey's JWT_ISSUER. */
  readonly issuer?: string;
  /** Latchkey's JWT_AUDIENCE. */
  readonly audience?: string;
  /** The realm of `WWW-Authenticate`. */
  readonly realm?: string;
  /** How long a request may wait for Latchkey, in all, before it is answered with 503. */
  readonly timeoutMs?: number;
  /** How long the published keys are used before they must have been read again. Ten minutes at most. */
  readonly keysMaxAgeMs?: number;
  /**
   * Called for each failure to ask Latchkey, and once a minute where the tokens of this Latchkey have another issuer or audience.
   * Without it these are warnings of the process, one a minute of each kind.
   */
  readonly onError?: Report;
}

/** Each request sees its session as it is after the request arrived: what has ended is refused at once. */
export interface StrictSettings extends CommonSettings {
  readonly mode?: 'strict';
  /** Of a service client with the scope `verify`. */
  readonly clientId: string | undefined;
  readonly clientSecret: string | undefined;
}

/**
 * Verifies signature and times alone, and asks nobody. **There is a window**: after a logout, a revocation or a change of
 * password a token is accepted until it expires, for Latchkey's ACCESS_TOKEN_TTL (10 minutes) and 30 seconds of clock skew at
 * most; and after `keys:rotate --leaked` what the leaked key signs is accepted for `keysMaxAgeMs` (10 minutes) at most.
 */
export interface SignatureSettings extends CommonSettings {
  readonly mode: 'signature';
  readonly clientId?: string | undefined;
  readonly clientSecret?: string | undefined;
}

export type VerifierSettings = StrictSettings | SignatureSettings;

/** The settings as they are used. */
export interface Settings {
  readonly url: URL;
  readonly mode: 'strict' | 'signature';
  readonly clientId: string;
  readonly clientSecret: string;
  readonly issuer: string;
  readonly audience: string;
  readonly realm: string;
  readonly timeoutMs: number;
  readonly keysMaxAgeMs: number;
  readonly onError: Report;
}

const NAMES: ReadonlySet<string> = new Set<keyof Settings>([
  'url',
  'mode',
  'clientId',
  'clientSecret',
  'issuer',
  'audience',
  'realm',
  'timeoutMs',
  'keysMaxAgeMs',
  'onError',
]);
const TEN_MINUTES_MS = 600_000;
// What a quoted string of a header may hold without being escaped.
const PLAIN_TEXT = /^[\x20\x21\x23-\x5b\x5d-\x7e]+$/;

/** Checks the settings, whatever the types say: they often come from an environment. Throws {@link VerifierSettingsError}. */
export function readSettings(given: VerifierSettings): Settings {
  const problems = Object.keys(given)
    .filter((name) => !NAMES.has(name))
    .map((name) => `there is no setting "${name}"`);
  const { mode = 'strict', issuer = 'latchkey', audience = 'latchkey', realm = 'latchkey' } = given;
  const { timeoutMs = 2000, keysMaxAgeMs = TEN_MINUTES_MS, clientId = '', clientSecret = '' } = given;
  const require = (isMet: boolean, problem: string) => isMet || problems.push(problem);

  const url = urlOf(given.url);
  require(url !==
    null, 'url must be that of Latchkey, such as "https://auth.example.com", without credentials or query');
  require(mode === 'strict' || mode === 'signature', 'mode must be "strict" or "signature"');
  if (mode === 'strict') {
    const how = 'npm run client:add -- NAME --scope verify prints both';
    require(isText(clientId), `clientId is missing; ${how}`);
    require(isText(clientSecret), `clientSecret is missing; ${how}`);
  }
  require(isText(issuer), `issuer must be a text: Latchkey's JWT_ISSUER`);
  require(isText(audience), `audience must be a text: Latchkey's JWT_AUDIENCE`);
  require(isText(realm) && PLAIN_TEXT.test(realm), 'realm must be a plain text without quotes or backslashes');
  require(isWithin(timeoutMs, 50, 60_000), 'timeoutMs must be an integer from 50 to 60000');
  require(isWithin(
    keysMaxAgeMs,
    1000,
    TEN_MINUTES_MS,
  ), `keysMaxAgeMs must be an integer from 1000 to ${TEN_MINUTES_MS}`);
  require(given.onError === undefined || typeof given.onError === 'function', 'onError must be a function');
  if (problems.length > 0 || url === null) {
    throw new VerifierSettingsError(problems);
  }
  const onError = guarded(given.onError ?? warnOf());
  return { url, mode, clientId, clientSecret, issuer, audience, realm, timeoutMs, keysMaxAgeMs, onError };
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';

const isWithin = (value: unknown, min: number, max: number): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;

/** The address that paths are relative to. Null where it is none of http or https alone. */
function urlOf(text: unknown): URL | null {
  if (typeof text !== 'string' || !URL.canParse(text)) {
    return null;
  }
  const url = new URL(text);
  if (!/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
    return null;
  }
  url.pathname = url.pathname.replace(/\/*$/, '/');
  return url;
}
