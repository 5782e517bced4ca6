import { createHmac, randomUUID, sign } from 'node:crypto';
import { KeyCipher } from '../../src/keys/key-cipher.js';
import { generateKey, type KeyPair, readKey, type SigningAlgorithm, writeKey } from '../../src/keys/signing-key.js';
import { SECRETS } from './secrets.js';
import type { AuthResult } from './api.js';
import type { TestDatabase } from './database.js';

/** The claims of a token the service issued. */
export const claimsOf = (accessToken: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(accessToken.split('.')[1]!, 'base64url').toString());

/** A secret of HS256, or a pair of keys of ES256 or RS256. */
export type ForgingKey = string | KeyPair;

/** An access token signed with a key, with other claims or another header. Undefined takes one away. */
export function resign(
  { accessToken }: Pick<AuthResult, 'accessToken'>,
  key: ForgingKey,
  changes: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): string {
  return signed({ ...claimsOf(accessToken), jti: randomUUID(), ...changes }, key, header);
}

/** An access token of whatever claims, signed with a key. */
export function signed(claims: Record<string, unknown>, key: ForgingKey, header: Record<string, unknown> = {}): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const own =
    typeof key === 'string' ? { alg: 'HS256', typ: 'at+jwt' } : { alg: key.algorithm, typ: 'at+jwt', kid: key.id };
  const content = `${part({ ...own, ...header })}.${part(claims)}`;
  return `${content}.${signatureOf(content, key)}`;
}

const signatureOf = (content: string, key: ForgingKey): string =>
  typeof key === 'string'
    ? createHmac('sha256', key).update(content).digest('base64url')
    : sign('sha256', Buffer.from(content), { key: key.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url');

type Database = Pick<TestDatabase, 'query'>;

/** The same signature in another spelling: base64url leaves bits of its last character unused. */
export function respelt(token: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const other = token.slice(0, -1) + alphabet[alphabet.indexOf(token.at(-1)!) + 1]!;
  const [bytes, same] = [token, other].map((one) => Buffer.from(one.split('.').at(-1)!, 'base64url').toString('hex'));
  if (bytes !== same) throw new Error('this is another signature');
  return other;
}

/** The service's own key of an algorithm, that signs now: read from its database with its secret. */
export async function signingKeyOf(
  database: Database,
  {
    algorithm = 'ES256',
    secret = SECRETS.JWT_SECRET,
  }: { readonly algorithm?: SigningAlgorithm; readonly secret?: string } = {},
): Promise<KeyPair> {
  const [row] = await database.query<{ id: string; encrypted_key: Buffer }>(
    `SELECT id, encrypted_key FROM signing_keys WHERE algorithm = $1 AND signs_from <= now()
       AND (accepted_until IS NULL OR accepted_until > now()) ORDER BY signs_from DESC LIMIT 1`,
    [algorithm],
  );
  return readKey(new KeyCipher([secret]).decrypt(row!.id, row!.encrypted_key)!.content);
}

/** A key of the service's own that was made before it has started. */
export async function makeSigningKey(database: Database): Promise<KeyPair> {
  const key = generateKey();
  const encrypted = new KeyCipher([SECRETS.JWT_SECRET]).encrypt(key.id, writeKey(key));
  await database.query('INSERT INTO signing_keys (id, encrypted_key, signs_from) VALUES ($1, $2, now())', [
    key.id,
    encrypted,
  ]);
  return key;
}

/** A refresh token with the service's own mac over whatever parts are given. */
export function forgeRefreshToken(
  parts: { sessionId: string; generation: number | string; nonce: string },
  secret = SECRETS.REFRESH_TOKEN_SECRET,
): string {
  const content = `v1.${parts.sessionId}.${parts.generation}.${parts.nonce}`;
  return `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`;
}

export const partsOf = (refreshToken: string) => {
  const [, sessionId, generation, nonce] = refreshToken.split('.');
  return { sessionId: sessionId!, generation: Number(generation), nonce: nonce! };
};
