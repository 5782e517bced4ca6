import { METHODS } from 'node:http';
import { useApp } from '../support/app.js';
import { raw } from '../support/raw.js';

const t = useApp();

const NAMES = ['user', 'email', 'session', 'role', 'auth-time', 'acr', 'assertion'].map((name) => `x-latchkey-${name}`);

it('A proxy that asks with an access token is told who is there, and nothing else', async () => {
  const { accessToken, user, session } = await t.api.signUp();
  const { status, headers, body } = await t.api.call('GET', '/verify', { bearer: accessToken });
  expect([status, body]).toEqual([200, null]);
  expect(headers.get('content-length')).toBe('0');
  expect(headers.get('cache-control')).toBe('no-store');
  expect(headers.getSetCookie()).toEqual([]);
  expect(NAMES.map((name) => headers.get(name))).toEqual([
    user.id,
    user.email,
    session.id,
    'user',
    String(Math.floor(Date.parse(session.createdAt) / 1000)),
    '',
    '',
  ]);
});

it('Every method that HTTP has gets the verdict, and so does every path below', async () => {
  const { accessToken } = await t.api.signUp();
  const wrong: string[] = [];
  for (const method of METHODS.filter((one) => one !== 'CONNECT')) {
    for (const path of [
      '/verify',
      '/verify/',
      '/verify/a/b',
      '/verify/../admin/users',
      '/verify//x',
      '/verify/%2e%2e/x',
    ]) {
      for (const [authorization, expected] of [
        [`Bearer ${accessToken}`, '200'],
        ['Bearer no', '401'],
        ['', '401'],
      ]) {
        const answer = await raw(
          t.api.url,
          `${method} ${path} HTTP/1.1\r\nHost: x\r\n${authorization && `Authorization: ${authorization}\r\n`}Connection: close\r\n\r\n`,
        );
        if (!answer.startsWith(`HTTP/1.1 ${expected} `)) wrong.push(`${method} ${path} ${authorization}: ${answer}`);
      }
    }
  }
  expect(wrong).toEqual([]);
});
