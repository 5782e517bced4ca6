import { SECRETS } from './secrets.js';

interface HandedOut {
  readonly userId: string;
  accessToken: string;
  /** Null where it travels as a cookie. */
  refreshToken: string | null;
}

// What a secret looks like, wherever it may turn up: a signed JWT, a refresh token, a hashed password, what we sign with.
const SECRET_SHAPES = [
  /eyJ[\w-]{10,}\.[\w-]{20,}\.[\w-]{20,}/,
  /v1\.[0-9a-f]{8}-[0-9a-f-]{27}\.\d+\.[\w-]{20,}/,
  /\$argon2/,
  /lks_[\w-]{20,}/,
  /whsec_[\w+/]{20,}/,
  ...Object.values(SECRETS).map((secret) => new RegExp(secret)),
];

/** What the service of one test file has answered and printed, kept for the invariants. */
class Ledger {
  readonly sessions = new Map<string, HandedOut>();
  /** Answers of 5xx. */
  readonly failures: string[] = [];
  /** Answers with a secret in them that no such answer may have. */
  readonly leaks: string[] = [];
  readonly outputs: (() => string)[] = [];
  private readonly passwords = new Set<string>();

  /** Keeps one answer, and the password that was sent for it. */
  note(request: string, sent: unknown, status: number, text: string): void {
    if (status >= 500) {
      this.failures.push(`${request}: ${status}`);
    }
    if (typeof sent === 'object' && sent !== null && 'password' in sent && String(sent.password).length >= 8) {
      this.passwords.add(String(sent.password));
    }
    const body: unknown = text.startsWith('{') ? JSON.parse(text) : null;
    if (isAuthResult(body)) {
      const { accessToken, refreshToken = null, user, session } = body;
      this.sessions.set(session.id, { userId: user.id, accessToken, refreshToken });
    } else if (!request.includes('/docs') && this.findSecret(withoutClientSecret(request, text)) !== null) {
      this.leaks.push(`${request}: ${text}`);
    }
  }

  /** The first thing in a text that only its owner may know; null if there is none. */
  findSecret(text: string): string | null {
    for (const shape of SECRET_SHAPES) {
      const [found] = shape.exec(text) ?? [];
      if (found) return found;
    }
    return [...this.passwords].find((password) => text.includes(password)) ?? null;
  }
}

// Routes whose answer is a secret for the service that asks, or for a service that staff let in.
const ANSWERS: readonly (readonly [request: RegExp, secret: RegExp])[] = [
  [/^POST \/admin\/clients(\/[^/]+\/secret)?$/, /lks_[\w-]+/],
  [/^POST \/admin\/receivers(\/[^/]+\/secret)?$/, /whsec_[\w+/]+/],
  [/^POST \/oauth\/token$/, /eyJ[\w.-]+/],
  [/^POST \/ssf\/streams\/[^/]+\/poll$/, /eyJ[\w.-]+/g],
];

const withoutClientSecret = (request: string, text: string): string =>
  ANSWERS.reduce((rest, [route, secret]) => (route.test(request) ? rest.replace(secret, '') : rest), text);

interface AuthResultLike {
  accessToken: string;
  refreshToken?: string;
  user: { id: string };
  session: { id: string };
}

const isAuthResult = (body: unknown): body is AuthResultLike =>
  typeof body === 'object' && body !== null && 'accessToken' in body && 'session' in body;

export const ledger = new Ledger();
