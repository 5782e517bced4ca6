import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import type { SigningAlgorithm } from '../../src/keys/signing-key.js';
import type { Api } from './api.js';
import { signUpStaff } from './clients.js';
import type { TestDatabase } from './database.js';
import { SECRETS } from './secrets.js';

const TEN_MINUTES_MS = 600_000;

/** Runs `npm run keys:rotate` as it is built. Returns its exit code and what it printed. */
export async function rotateKeys(
  databaseUrl: string,
  { args = [], env = {} }: { args?: readonly string[]; env?: Record<string, string> } = {},
): Promise<{ code: number; output: string }> {
  const environment = { PATH: process.env['PATH'], ...SECRETS, DATABASE_URL: databaseUrl, ...env };
  try {
    const run = promisify(execFile)(process.execPath, ['dist/bin/keys-rotate.js', ...args], { env: environment });
    const { stdout } = await run;
    return { code: 0, output: stdout };
  } catch (error) {
    const { code = -1, stdout = '', stderr = '' } = error as { code?: number; stdout?: string; stderr?: string };
    return { code, output: stdout + stderr };
  }
}

/** Has a key of RS256 made as it is by itself: by adding a receiver that takes nothing else. Nothing is sent to it. */
export async function publishRs256(api: Api, database: Pick<TestDatabase, 'query'>): Promise<void> {
  const staff = await signUpStaff(api, database);
  const admin = (method: string, path: string, body?: object) =>
    api.call(method, `/admin/receivers${path}`, { bearer: staff.accessToken, ...(body && { body }) });
  const { body } = await admin('POST', '', {
    url: 'https://relying.example.com/logout',
    kind: 'backchannel_logout',
    events: ['session.expired'],
    algorithm: 'RS256',
  });
  await admin('DELETE', `/${body.id}`);
}

/** The ids of the keys of an algorithm that an instance publishes. */
export async function publishedBy(api: Api, algorithm: SigningAlgorithm = 'ES256'): Promise<string[]> {
  const { body } = await api.call<{ keys: { kid: string; alg: string }[] }>('GET', '/.well-known/jwks.json');
  return body.keys.filter(({ alg }) => alg === algorithm).map(({ kid }) => kid);
}

/** Another service, which knows nothing but the published keys, and asks for them every ten minutes at most. */
export class Verifier {
  private readonly keys;

  constructor({ url }: Api) {
    this.keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', url), {
      cacheMaxAge: TEN_MINUTES_MS,
      cooldownDuration: TEN_MINUTES_MS,
    });
  }

  async accepts(accessToken: string): Promise<boolean> {
    try {
      await jwtVerify(accessToken, this.keys, {
        algorithms: ['ES256'],
        typ: 'at+jwt',
        issuer: 'latchkey',
        audience: 'latchkey',
      });
      return true;
    } catch {
      return false;
    }
  }
}
