import { inspect } from 'node:util';
import { generateKey } from '../../src/keys/signing-key.js';
import { InvalidAccessTokenError } from '../../src/sessions/sessions.errors.js';
import { tokensWith } from '../support/access-tokens.js';
import { signed } from '../support/forge.js';

const key = generateKey();
const { tokens } = tokensWith(key);

/** What a token of ours with these claims says. */
const readClaims = (claims: unknown) => tokens.verify(signed(claims as Record<string, unknown>, key));

const ID = '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61';
const CLAIMS = {
  iss: 'latchkey',
  aud: 'latchkey',
  sub: ID,
  sid: '0d2f4c8b-9e61-4a9e-8a3c-5b1f7d1e6f0b',
  jti: '8a3c0d2f-4c8b-4a9e-9e61-6f0b5b1f7d1e',
  gen: 7,
  iat: 1_795_000_000,
  exp: 1_795_000_600,
  auth_time: 1_794_000_000,
};

const NEITHER = [undefined, null, '', true, [], {}, [ID], [7], { $ne: null }, 'nonsense', `' OR 1=1 --`, '\u0000'];
const NO_ID = [...NEITHER, 0, 7, `${ID} `, `{${ID}}`, ID.replaceAll('-', ''), '0'.repeat(36), `${ID}\u0000`];
const NO_NUMBER = [...NEITHER, 0, -1, 1.5, 2 ** 53, '7', '1795000000', ID];

const WRONG: Record<keyof typeof CLAIMS, readonly unknown[]> = {
  iss: [...NEITHER, 7, 'Latchkey', 'latchkey ', ['latchkey']],
  aud: [...NEITHER, 7, 'Latchkey', 'latchkey ', ['another', 'others']],
  sub: NO_ID,
  sid: NO_ID,
  jti: NO_ID,
  gen: [...NO_NUMBER, 2 ** 31],
  iat: NO_NUMBER,
  exp: NO_NUMBER,
  auth_time: NO_NUMBER,
};

it('The claims of an access token are read as a session, a user, a generation and times', async () => {
  expect(await readClaims(CLAIMS)).toEqual({
    tokenId: CLAIMS.jti,
    sessionId: CLAIMS.sid,
    userId: CLAIMS.sub,
    generation: 7,
    authenticatedAt: CLAIMS.auth_time,
    issuedAt: CLAIMS.iat,
    expiresAt: CLAIMS.exp,
    keyId: key.id,
  });
});

it.each(
  Object.entries(WRONG).flatMap(([claim, values]) => values.map((value) => ({ claim, what: inspect(value), value }))),
)('Claims whose $claim is $what are refused', async ({ claim, value }) => {
  await expect(readClaims({ ...CLAIMS, [claim]: value })).rejects.toThrow(InvalidAccessTokenError);
});

it.each(Object.keys(WRONG))('Claims without %s are refused', async (claim) => {
  const others = Object.entries(CLAIMS).filter(([name]) => name !== claim);
  await expect(readClaims(Object.fromEntries(others))).rejects.toThrow(InvalidAccessTokenError);
});

it.each([null, 'a text', 5, true, []])('Claims that are %j instead of an object are refused', async (claims) => {
  await expect(readClaims(claims)).rejects.toThrow(InvalidAccessTokenError);
});
