import { once } from 'node:events';
import { transformSync } from '@swc/core';
import { Api, type AuthResult } from '../support/api.js';
import { runClientAdd } from '../support/clients.js';
import { freePort } from '../support/free-port.js';
import { useInstances } from '../support/instances.js';
import { onFastify, printedService, usePrintedServices } from '../support/printed.js';

// The services of src/verifier/README.md, as they are printed there.
const t = useInstances(1);
const run = usePrintedServices();
let env: Record<string, string>;

beforeAll(async () => {
  const { stdout } = await runClientAdd(t.database.url, 'my-service', '--scope', 'verify');
  const [, id = '', secret = ''] = /client_id: (\S+)\s+client_secret: (\S+)/.exec(stdout) ?? [];
  env = { LATCHKEY_URL: t.a.url, LATCHKEY_CLIENT_ID: id, LATCHKEY_CLIENT_SECRET: secret };
});

// Decorators, which Node does not know.
const compiled = (source: string): string =>
  transformSync(source, {
    jsc: {
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
      target: 'es2022',
    },
    module: { type: 'es6' },
  }).code;

it.each([
  ['Express', (source: string) => source],
  ['Fastify', (source: string) => source],
  // On the adapter that is installed here; test/package has it as it is printed, on Express.
  ['Nest', (source: string) => compiled(onFastify(source))],
])('The service of the page for %s works as it is printed', async (heading, prepare) => {
  const port = await freePort();
  const service = await run(prepare(printedService(heading)), port, env);
  const api = new Api(`http://127.0.0.1:${port}`);
  const login: AuthResult = await t.a.signUp();
  const orders = () => api.call('GET', '/orders', { bearer: login.accessToken });

  expect((await api.call('GET', '/')).status).toBe(200);
  expect((await api.call('GET', '/orders')).status).toBe(401);
  expect(await orders()).toMatchObject({ status: 200, body: { orders: [], of: login.user.id } });
  await t.a.logout(login.refreshToken);
  expect((await orders()).status).toBe(401);

  const gone = once(service, 'exit');
  service.kill('SIGTERM');
  await gone;
});
