import { someone } from '../support/api.js';
import { useApp } from '../support/app.js';

const t = useApp();

it('Answers and errors alike have strict security headers and do not name the server software', async () => {
  for (const answer of [
    await t.api.call('GET', '/health/live'),
    await t.api.call('GET', '/nowhere'),
    await t.api.call('GET', '/%zz'),
  ]) {
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'strict-transport-security': 'max-age=63072000; includeSubDomains',
      'x-content-type-options': 'nosniff',
    });
    expect(answer.headers.get('content-type')).toMatch(/charset=utf-8/);
    expect(answer.headers.get('x-powered-by')).toBeNull();
    expect(answer.headers.get('server')).toBeNull();
  }
});

it('A well-formed request id is kept, and a malformed one is replaced', async () => {
  const ask = (id: string) => t.api.call('GET', '/health/live', { headers: { 'x-request-id': id } });
  expect((await ask('my-id_1.2')).headers.get('x-request-id')).toBe('my-id_1.2');
  for (const id of ['x'.repeat(65), 'with space', '<script>', 'ümlaut']) {
    expect((await ask(id)).headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  }
});

it('The user agent of a session is recorded up to 512 characters', async () => {
  const { body } = await t.api.register(someone(), { headers: { 'user-agent': 'x'.repeat(5000) } });
  expect(body.session.userAgent).toBe('x'.repeat(512));
});

it('Headers with forwarded addresses do not change the address that a session records', async () => {
  const headers = {
    'x-forwarded-for': '203.0.113.9',
    forwarded: 'for=203.0.113.9',
    'x-real-ip': '203.0.113.9',
    'cf-connecting-ip': '203.0.113.9',
  };
  expect((await t.api.register(someone(), { headers })).body.session.ip).toBe('127.0.0.1');
});

it.each(['/docs', '/docs/', '/docs-json', '/docs-yaml', '/docs/nowhere.js'])(
  'The answer to %s is not stored by caches and declares UTF-8',
  async (path) => {
    const { headers } = await t.api.call('GET', path);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('content-type')).toMatch(/; charset=utf-8$/);
  },
);

it('The documentation page may run its own scripts alone, and an API answer may run none', async () => {
  const page = await t.api.call('GET', '/docs');
  expect(page.headers.get('content-security-policy')).toMatch(/default-src 'none'; script-src 'self';/);
  const json = await t.api.call('GET', '/docs-json');
  expect(json.headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'");
});

it('Static files of the documentation page may be cached', async () => {
  expect((await t.api.call('GET', '/docs/swagger-ui.css')).headers.get('cache-control')).toMatch(/^public/);
});
