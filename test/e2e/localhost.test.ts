import { once } from 'node:events';
import { get, request } from 'node:http';
import { createServer } from 'node:net';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { freePort } from '../support/free-port.js';
import { type Instance, spawnInstance, startInstance } from '../support/instance.js';
import { until } from '../support/until.js';

let database: TestDatabase;
let port: number;
let instance: Instance;

beforeAll(async () => {
  [database, port] = [await createDatabase(), await freePort()];
  instance = await startInstance({ env: { DATABASE_URL: database.url, HOST: undefined, PORT: String(port) } });
});
afterAll(async () => {
  await instance.kill('SIGTERM');
  await database.drop();
});

const at = (host: string, to = port) => `http://${host}:${to}`;
/** What a browser sends when a person opens an address. */
const OPENED = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', 'sec-fetch-site': 'none' };

/** Opens an address, with headers that fetch would not send. Answers the status, and where to go. */
function open(url: string, headers: Record<string, string> = OPENED): Promise<[status?: number, location?: string]> {
  return new Promise((resolve, reject) => {
    get(url, { headers, agent: false }, (response) => {
      response.resume().on('end', () => resolve([response.statusCode, response.headers.location]));
    }).on('error', reject);
  });
}

it('Without HOST the service answers at both loopback addresses, and its start message says localhost', async () => {
  for (const host of ['localhost', '127.0.0.1', '[::1]']) {
    expect((await fetch(`${at(host)}/health/live`)).status).toBe(200);
  }
  expect(instance.output()).toContain(`Swagger UI   ${at('localhost')}/docs`);
  expect(instance.output()).not.toContain('127.0.0.1');
});

it('The service refuses to start where another program answers at the other address of localhost', async () => {
  const other = createServer().listen(0, '::1');
  await once(other, 'listening');
  const taken = String((other.address() as { port: number }).port);
  const { child, output } = spawnInstance({ env: { DATABASE_URL: database.url, HOST: undefined, PORT: taken } });
  expect(await once(child, 'close')).toEqual([1, null]);
  expect(output()).toContain(`Cannot listen on host ::1, port ${taken} (EADDRINUSE).`);
  other.close();
});

it('A browser that opens a page at another name of this machine is sent to the name of PUBLIC_URL', async () => {
  for (const host of ['127.0.0.1', '[::1]']) {
    expect(await open(`${at(host)}/docs?a=b`)).toEqual([307, `${at('localhost')}/docs?a=b`]);
  }
  expect((await open(at('localhost')))[0]).toBe(200);
});

it('A script or a program at another name of this machine gets its answer there', async () => {
  expect((await open(at('127.0.0.1'), {}))[0]).toBe(200);
  expect((await open(at('127.0.0.1'), { ...OPENED, 'sec-fetch-mode': 'cors' }))[0]).toBe(200);
});

it('With another PUBLIC_URL, or in production, a browser is not sent elsewhere', async () => {
  const PORT = String(await freePort());
  for (const env of [
    { PUBLIC_URL: `http://127.0.0.1:${PORT}` },
    { NODE_ENV: 'production', LOG_LEVEL: 'info', PUBLIC_URL: at('localhost', Number(PORT)) },
  ]) {
    const other = await startInstance({ env: { DATABASE_URL: database.url, PORT, ...env } });
    expect((await open(at('127.0.0.1', Number(PORT))))[0]).toBe(200);
    await other.kill('SIGTERM');
  }
});

it('On SIGTERM a request that is still arriving at the IPv6 address is answered', async () => {
  const PORT = await freePort();
  const env = { DATABASE_URL: database.url, HOST: undefined, PORT: String(PORT) };
  const stopping = await startInstance({ env });
  const { credentials } = await stopping.api.signUp();
  const body = JSON.stringify(credentials);
  const login = request(`${at('[::1]', PORT)}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': body.length },
    agent: false,
  });
  login.write(body.slice(0, 10));
  await once(login, 'socket').then(([socket]) => once(socket, 'connect'));
  const gone = once(stopping.process, 'exit');
  stopping.process.kill('SIGTERM');
  await until('the port is closed', () =>
    fetch(`${at('[::1]', PORT)}/health/live`).then(
      () => false,
      () => true,
    ),
  );
  login.end(body.slice(10));
  const [response] = await once(login, 'response');
  expect(response.statusCode).toBe(200);
  response.resume();
  expect(await gone).toEqual([0, null]);
});
