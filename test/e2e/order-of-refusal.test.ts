import { useApp } from '../support/app.js';

const t = useApp({ RATE_LIMIT: 'on', RENAMES_PER_USER: '1' });

const CROSS_SITE = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' };
const PLAIN_TEXT = { 'content-type': 'text/plain' };
const JSON_TYPE = { 'content-type': 'application/json' };

// Each request has every fault of those below it.
it('A request with several faults is refused for the first, in the order that the document describes', async () => {
  const { accessToken: bearer, session } = await t.api.signUp();
  const path = `/sessions/${session.id}`;
  const rename = (deviceName: string, call: object = {}) =>
    t.api.call('PATCH', path, { bearer, body: { deviceName }, ...call });
  await rename('Laptop');

  const answers = [
    await t.api.call('PATCH', '/nowhere', { headers: { ...CROSS_SITE, ...PLAIN_TEXT }, body: 'x' }),
    await t.api.call('PUT', path, { headers: { ...CROSS_SITE, ...PLAIN_TEXT }, body: 'x' }),
    await t.api.call('PATCH', path, { headers: { ...CROSS_SITE, ...PLAIN_TEXT }, body: 'x' }),
    await t.api.call('PATCH', path, { headers: PLAIN_TEXT, body: 'x' }),
    await t.api.call('POST', `/admin${path}/revoke`, { bearer, headers: PLAIN_TEXT, body: 'x' }),
    await t.api.call('PATCH', path, { bearer, headers: PLAIN_TEXT, body: 'x'.repeat(20_000) }),
    await t.api.call('PATCH', path, { bearer, headers: PLAIN_TEXT, body: 'x' }),
    await t.api.call('PATCH', path, { bearer, headers: JSON_TYPE, body: 'x' }),
    await rename(''),
    await t.api.call('PATCH', '/sessions/none', { bearer, body: { deviceName: 'Phone' } }),
  ];

  expect(answers.map(({ status, body }) => `${status} ${body.code}`)).toEqual([
    '404 not_found',
    '405 method_not_allowed',
    '403 cross_site_request',
    '401 invalid_token',
    '403 forbidden',
    '413 body_too_large',
    '415 unsupported_media_type',
    '400 malformed_body',
    '400 validation_failed',
    '429 too_many_requests',
  ]);
});

it('The document describes that order', async () => {
  const { body } = await t.api.call('GET', '/docs-json');
  const [, paragraph = ''] = /\*\*Which refusal comes first\.\*\*([^]*?)\n\n/.exec(body.info.description) ?? [];
  expect([...paragraph.matchAll(/\((\d[\d, ]*)\)/g)].map(([, statuses]) => statuses).slice(0, 7)).toEqual([
    '404',
    '405',
    '403',
    '401',
    '403',
    '413, 415, 400',
    '429',
  ]);
});
