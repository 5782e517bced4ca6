import { createHmac } from 'node:crypto';
import { AppConfig } from '../../src/config/config.js';
import { RefreshTokens } from '../../src/sessions/refresh/refresh-token.js';

const SESSION_ID = '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61';
const SECRET = 's'.repeat(32);
const FORMER = 'f'.repeat(32);
const tokens = new RefreshTokens(Object.assign(new AppConfig(), { refreshTokenSecrets: [SECRET, FORMER] }));
const NONCE = 'n'.repeat(43);

/** Whatever content, with a mac of ours, so that nothing but the form decides. */
const signed = (content: string, secret = SECRET) =>
  `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`;
const GOOD = signed(`v1.${SESSION_ID}.7.${NONCE}`);

it('A refresh token is read as its session and its generation, with the current and the former secret', () => {
  expect(tokens.read(GOOD)).toMatchObject({ sessionId: SESSION_ID, generation: 7 });
  expect(tokens.read(signed(`v1.${SESSION_ID}.7.${NONCE}`, FORMER))).toMatchObject({ generation: 7 });
  expect(tokens.read(tokens.issue(SESSION_ID))).toMatchObject({ sessionId: SESSION_ID, generation: 1 });
});

it('The successor of a refresh token is read as the next generation of the same session', () => {
  expect(tokens.read(tokens.read(GOOD)!.successor)).toMatchObject({ sessionId: SESSION_ID, generation: 8 });
});

it.each([
  ['another version', signed(`v2.${SESSION_ID}.7.${NONCE}`)],
  ['a version in capitals', signed(`V1.${SESSION_ID}.7.${NONCE}`)],
  ['a session id in capitals', signed(`v1.${SESSION_ID.toUpperCase()}.7.${NONCE}`)],
  ['a session id without hyphens', signed(`v1.${SESSION_ID.replaceAll('-', '')}.7.${NONCE}`)],
  ['a session id that is none', signed(`v1.1.7.${NONCE}`)],
  ['generation zero', signed(`v1.${SESSION_ID}.0.${NONCE}`)],
  ['a generation with a zero before it', signed(`v1.${SESSION_ID}.07.${NONCE}`)],
  ['a negative generation', signed(`v1.${SESSION_ID}.-7.${NONCE}`)],
  ['a generation that is no whole number', signed(`v1.${SESSION_ID}.7e0.${NONCE}`)],
  ['a generation beyond any integer', signed(`v1.${SESSION_ID}.9999999999.${NONCE}`)],
  ['no generation', signed(`v1.${SESSION_ID}..${NONCE}`)],
  ['a short nonce', signed(`v1.${SESSION_ID}.7.${NONCE.slice(1)}`)],
  ['a long nonce', signed(`v1.${SESSION_ID}.7.${NONCE}n`)],
  ['a nonce with another alphabet', signed(`v1.${SESSION_ID}.7.${NONCE.slice(1)}+`)],
  ['a part too many', signed(`v1.${SESSION_ID}.7.${NONCE}.x`)],
  ['a part too few', signed(`v1.${SESSION_ID}.7`)],
  ['something after it', `${GOOD}x`],
  ['a line break after it', `${GOOD}\n`],
  ['padding after it', `${GOOD}=`],
  ['a blank before it', ` ${GOOD}`],
  ['another mac', GOOD.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))],
  ['a mac that is cut', GOOD.slice(0, -1)],
  ['no mac', GOOD.slice(0, GOOD.lastIndexOf('.') + 1)],
  ['the mac of another secret', signed(`v1.${SESSION_ID}.7.${NONCE}`, 'x'.repeat(32))],
  ['another generation than was signed', GOOD.replace('.7.', '.8.')],
  ['nothing at all', ''],
])('A refresh token with %s is not read', (_, token) => {
  expect(tokens.read(token)).toBeNull();
});
