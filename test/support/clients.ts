import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Api, Answer, AuthResult } from './api.js';
import type { TestDatabase } from './database.js';
import { SECRETS } from './secrets.js';

export interface TestClient {
  readonly id: string;
  readonly clientSecret: string;
  readonly secrets: { id: string; createdAt: string; lastUsedAt: string | null }[];
}

let names = 0;
/** A name that no other client of this file has. */
export const someClientName = () => `client-${++names}`;

/** An account with the role admin. */
export async function signUpStaff(api: Api, database: Pick<TestDatabase, 'query'>): Promise<AuthResult> {
  const staff = await api.signUp();
  await database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [staff.user.id]);
  return staff;
}

/** Makes a service client as staff do. */
export async function addClient(api: Api, staff: AuthResult, ...scopes: string[]): Promise<TestClient> {
  const body = { name: someClientName(), scopes };
  const answer = await api.call<TestClient>('POST', '/admin/clients', { bearer: staff.accessToken, body });
  if (answer.status !== 201) {
    throw new Error(`adding a client answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  }
  return answer.body;
}

// As RFC 6749 (2.3.1) has it: each half encoded as a field of a form.
const formEncoded = (text: string) => new URLSearchParams([['', text]]).toString().slice(1);

/** The Authorization header of a client. */
export const basic = ({ id, clientSecret }: Pick<TestClient, 'id' | 'clientSecret'>) =>
  `Basic ${Buffer.from(`${formEncoded(id)}:${formEncoded(clientSecret)}`).toString('base64')}`;

type Fields = Readonly<Record<string, string>> | readonly (readonly [string, string])[];

/** Sends a form. */
export function postForm(
  api: Api,
  path: string,
  fields: Fields,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return api.call('POST', path, {
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(fields as Record<string, string>).toString(),
  });
}

/** Runs `npm run client:add` as it is built. */
export async function runClientAdd(
  databaseUrl: string,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { PATH: process.env['PATH'], ...SECRETS, DATABASE_URL: databaseUrl };
  try {
    const run = promisify(execFile)(process.execPath, ['dist/service-clients/client-add.js', ...args], { env });
    return { code: 0, ...(await run) };
  } catch (error) {
    const { code = -1, stdout = '', stderr = '' } = error as { code?: number; stdout?: string; stderr?: string };
    return { code, stdout, stderr };
  }
}
