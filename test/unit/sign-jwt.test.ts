import { createSecretKey } from 'node:crypto';
import { calculateJwkThumbprint, importJWK, jwtVerify } from 'jose';
import { generateKey, generateKeyOf, SIGNING_ALGORITHMS } from '../../src/keys/signing-key.js';
import { signJwt, signJwtWith } from '../../src/keys/sign-jwt.js';

it('Two thousand JWTs under ES256 are all valid, those with a short integer in their signature included', async () => {
  const { privateKey, publicKey } = generateKey();
  let short = 0;
  for (let jti = 0; jti < 2000; jti++) {
    const jwt = signJwt({ alg: 'ES256', typ: 'JWT' }, { jti: String(jti) }, privateKey);
    expect((await jwtVerify(jwt, publicKey)).payload).toEqual({ jti: String(jti) });
    const signature = Buffer.from(jwt.split('.')[2]!, 'base64url');
    expect(signature).toHaveLength(64);
    short += signature[0] === 0 || signature[32] === 0 ? 1 : 0;
  }
  expect(short).toBeGreaterThan(0);
});

it('A JWT has the header and the claims that were given, whatever their characters, and no others', async () => {
  const { id, privateKey, publicKey } = generateKey();
  const header = { alg: 'ES256', typ: 'at+jwt', kid: id } as const;
  const claims = { iss: 'https://пример.example/?a=~', gen: 7 };
  const { protectedHeader, payload } = await jwtVerify(signJwt(header, claims, privateKey), publicKey);
  expect(protectedHeader).toEqual(header);
  expect(payload).toEqual(claims);
});

it('A JWT under HS256 is valid with its secret, and with no other', async () => {
  const [secret, other] = ['one', 'other'].map((text) => createSecretKey(Buffer.from(text.padEnd(32, '.'))));
  const jwt = signJwt({ alg: 'HS256', typ: 'JWT' }, { gen: 1 }, secret!);
  expect((await jwtVerify(jwt, secret!)).payload).toEqual({ gen: 1 });
  await expect(jwtVerify(jwt, other!)).rejects.toThrow('signature verification failed');
});

it.each(SIGNING_ALGORITHMS)(
  'A JWT for a receiver under %s is valid with the public key that is published',
  async (algorithm) => {
    const key = await generateKeyOf(algorithm);
    const claims = { iss: 'https://пример.example/?a=~', events: { verification: {} } };
    const jwt = await signJwtWith(key, 'secevent+jwt', claims);
    const { protectedHeader, payload } = await jwtVerify(jwt, await importJWK({ ...key.jwk }, algorithm));
    expect(protectedHeader).toEqual({ alg: algorithm, typ: 'secevent+jwt', kid: key.id });
    expect(payload).toEqual(claims);
    expect(key.id).toBe(await calculateJwkThumbprint({ ...key.jwk }));
  },
);
