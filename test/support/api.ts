import { randomBytes } from 'node:crypto';
import { ledger } from './ledger.js';

/** An answer as a client sees it. `body` is what JSON said, or null. */
export interface Answer<Body = any> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

interface SessionView {
  readonly id: string;
  readonly current: boolean;
  readonly device: { label: string; name: string | null; browser: string | null; os: string | null; type: string };
  readonly ip: string;
  readonly userAgent: string;
  readonly createdAt: string;
  readonly lastSeenAt: string;
  readonly expiresAt: string;
  readonly idleExpiresAt: string;
}

export interface AuthResult {
  readonly accessToken: string;
  readonly tokenType: string;
  readonly expiresIn: number;
  readonly refreshToken: string;
  readonly user: { id: string; email: string; name: string | null; role: string; emailVerified: boolean };
  readonly session: SessionView;
}

interface ProblemView {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly requestId: string;
  readonly errors?: { field: string; message: string }[];
}

interface Call {
  readonly bearer?: string;
  readonly cookie?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

export const PASSWORD = 'the passphrase of a test';

export type Credentials = { readonly email: string; readonly password: string };

export const someone = (): Credentials => ({
  email: `user-${randomBytes(6).toString('hex')}@example.com`,
  password: PASSWORD,
});

/** The HTTP interface in words. */
export class Api {
  constructor(readonly url: string) {}

  async call<Body = any>(
    method: string,
    path: string,
    { bearer, cookie, body, headers }: Call = {},
  ): Promise<Answer<Body>> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
        ...(cookie !== undefined && { cookie }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    ledger.note(`${method} ${path}`, body, response.status, text);
    const isJson = response.headers.get('content-type')?.includes('json');
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : null };
  }

  register(credentials: Credentials & Record<string, unknown>, call: Call = {}) {
    return this.call<AuthResult & ProblemView>('POST', '/auth/register', {
      body: { tokenDelivery: 'body', ...credentials },
      ...call,
    });
  }

  login(credentials: Credentials & Record<string, unknown>, call: Call = {}) {
    return this.call<AuthResult & ProblemView>('POST', '/auth/login', {
      body: { tokenDelivery: 'body', ...credentials },
      ...call,
    });
  }

  refresh(refreshToken: string) {
    return this.call<AuthResult & ProblemView>('POST', '/auth/refresh', { body: { refreshToken } });
  }

  refreshByCookie(cookie: string) {
    return this.call<AuthResult & ProblemView>('POST', '/auth/refresh', { cookie });
  }

  logout(refreshToken: string) {
    return this.call('POST', '/auth/logout', { body: { refreshToken } });
  }

  logoutAll(refreshToken: string) {
    return this.call('POST', '/auth/logout-all', { body: { refreshToken } });
  }

  logoutOthers(bearer: string) {
    return this.call('POST', '/auth/logout-others', { bearer });
  }

  me(bearer: string, headers: Record<string, string> = {}) {
    return this.call('GET', '/auth/me', { bearer, headers });
  }

  sessions(bearer: string, query = '') {
    return this.call<{ items: SessionView[]; nextCursor: string | null }>('GET', `/sessions${query}`, { bearer });
  }

  endSession(bearer: string, id: string) {
    return this.call('DELETE', `/sessions/${id}`, { bearer });
  }

  /** A new account, signed in on one device, tokens in the body. */
  async signUp(extra: Record<string, unknown> = {}): Promise<AuthResult & { credentials: Credentials }> {
    const credentials = someone();
    const { status, body } = await this.register({ ...credentials, ...extra });
    if (status !== 201) {
      throw new Error(`register answered ${status}: ${JSON.stringify(body)}`);
    }
    return { ...body, credentials };
  }

  /** Another device of an account. */
  async signIn(credentials: Credentials, extra: Record<string, unknown> = {}): Promise<AuthResult> {
    const { status, body } = await this.login({ ...credentials, ...extra });
    if (status !== 200) {
      throw new Error(`login answered ${status}: ${JSON.stringify(body)}`);
    }
    return body;
  }
}

/** The value a Set-Cookie header gives to the refresh token, as the Cookie header that sends it back. */
export function cookieOf({ headers }: Answer): string {
  const [pair] = (headers.getSetCookie()[0] ?? '').split(';');
  return pair ?? '';
}
