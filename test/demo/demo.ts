// Three devices, two instances, one database: what "logged out" means here, step by step. Exits with 1 if any answer is
// not as promised.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';
import { Api, type AuthResult, someone } from '../support/api.js';
import { EventStream } from '../support/event-stream.js';
import { type Instance, startInstance } from '../support/instance.js';

const USER_AGENTS = {
  laptop: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0',
  phone:
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1',
  tablet:
    'Mozilla/5.0 (Linux; Android 15; SM-X910) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
};
type DeviceName = keyof typeof USER_AGENTS;
const DEVICES = ['laptop', 'phone', 'tablet'] as const satisfies DeviceName[];

const account = someone();
const held = new Map<DeviceName, AuthResult>();
let deviations = 0;
let steps = 0;

const holding = (device: DeviceName): AuthResult => {
  const tokens = held.get(device);
  if (!tokens) throw new Error(`the ${device} is not signed in`);
  return tokens;
};

function say(title: string): void {
  steps += 1;
  console.log(`\n${steps}. ${title}`);
}

function table(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  for (const row of rows) {
    console.log(`   ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('   ')}`.trimEnd());
  }
}

function promise(what: string, seen: unknown, expected: unknown): void {
  const isKept = JSON.stringify(seen) === JSON.stringify(expected);
  deviations += isKept ? 0 : 1;
  console.log(isKept ? `   ok: ${what}` : `   NOT AS PROMISED: ${what}: ${JSON.stringify(seen)}`);
}

async function demo(a: Api, b: Api): Promise<void> {
  const signIn = async (device: DeviceName, api: Api) => {
    const headers = { 'user-agent': USER_AGENTS[device] };
    const body = { ...account, tokenDelivery: 'body', deviceName: `Ada's ${device}` };
    held.set(device, (await api.call<AuthResult>('POST', '/auth/login', { body, headers })).body);
  };
  const list = async (device: DeviceName) => {
    const { body } = await a.sessions(holding(device).accessToken);
    console.log(`   GET /sessions, as Ada sees it on her ${device}:`);
    table([
      ['DEVICE', 'NAME', 'ADDRESS', 'SIGNED IN', ''],
      ...body.items.map(({ device: { label, name }, ip, createdAt, current }) => [
        label,
        name ?? '',
        ip,
        createdAt.slice(11, 19),
        current ? 'this one' : '',
      ]),
    ]);
    return body.items.length;
  };
  const ask = async (...expected: number[]) => {
    const rows = await Promise.all(
      DEVICES.map(async (device) => {
        const answers = await Promise.all([a, b].map((api) => api.me(holding(device).accessToken)));
        return { device, answers };
      }),
    );
    const tell = ({ status, body }: { status: number; body: { code?: string } }) => `${status} ${body?.code ?? 'OK'}`;
    table([
      ['ACCESS TOKEN OF', 'AT THE FIRST INSTANCE', 'AT THE SECOND'],
      ...rows.map(({ device, answers }) => [device, ...answers.map(tell)]),
    ]);
    promise(
      `${expected.join(' / ')} at both instances`,
      rows.map(({ answers }) => answers.map(({ status }) => status)),
      expected.map((status) => [status, status]),
    );
  };

  const listen = async (device: DeviceName, api: Api) =>
    EventStream.open(api, holding(device).accessToken, {
      tell({ type, data: { id, reason } }) {
        const whose = DEVICES.find((one) => held.get(one)?.session.id === id) ?? 'a former device';
        console.log(`   » the ${device} hears: ${type} (${whose}${reason === undefined ? '' : `, ${reason}`})`);
      },
    });

  say('Ada signs in on a laptop, a phone and a tablet.');
  await a.register(account);
  // Registering signed a device in, too; the story starts with none.
  await a.logoutAll((await a.signIn(account)).refreshToken);
  await signIn('laptop', a);
  await signIn('phone', b);
  await signIn('tablet', a);
  promise('three devices', await list('laptop'), 3);
  await ask(200, 200, 200);

  say('She logs out the phone, from the laptop. Phone and tablet have event streams open at the other instance.');
  const [ofPhone, ofTablet] = [await listen('phone', b), await listen('tablet', b)];
  await a.endSession(holding('laptop').accessToken, holding('phone').session.id);
  await ofTablet.await('session.revoked', holding('phone').session.id);
  const last = await ofPhone.ended();
  promise('the stream of the phone has ended', last?.data, { ...last?.data, reason: 'revoked_by_user' });
  await ask(200, 401, 200);
  promise('two devices are left', await list('laptop'), 2);
  const late = await b.refresh(holding('phone').refreshToken);
  promise('the refresh token of the phone is dead too', [late.status, late.body.code], [401, 'session_revoked']);

  say('Two tabs of the laptop refresh at the same moment, one at each instance.');
  const tabs = await Promise.all([a, b].map((api) => api.refresh(holding('laptop').refreshToken)));
  table([
    ['TAB', 'ANSWER', 'REFRESH TOKEN'],
    ...tabs.map(({ status, body }, tab) => [`${tab + 1}`, `${status}`, `…${body.refreshToken.slice(-12)}`]),
  ]);
  const [one, other] = tabs.map(({ body }) => body);
  const answers = tabs.map(({ status }) => status);
  promise('both go on', answers, [200, 200]);
  promise('with the same successor', one?.refreshToken === other?.refreshToken, true);
  if (one) held.set('laptop', one);
  await ask(200, 401, 200);

  say('A thief copied the refresh token of the tablet. The tablet goes on refreshing, then the thief tries the copy.');
  const stolen = holding('tablet').refreshToken;
  for (const api of [a, b]) {
    held.set('tablet', (await api.refresh(holding('tablet').refreshToken)).body);
  }
  const theft = await b.refresh(stolen);
  promise('the stream of the tablet has ended', (await ofTablet.ended())?.data.reason, 'refresh_token_reuse');
  promise('the thief gets nothing', [theft.status, theft.body.code], [401, 'refresh_token_reused']);
  console.log('   That session ends, since nobody can tell the thief from the owner; the others live.');
  await ask(200, 401, 401);

  say('She signs in again on phone and tablet, and then logs out everywhere.');
  await signIn('phone', a);
  await signIn('tablet', b);
  await ask(200, 200, 200);
  const streams = await Promise.all(DEVICES.map((device, i) => listen(device, i % 2 ? a : b)));
  const { status, body } = await b.logoutAll(holding('laptop').refreshToken);
  promise('three sessions ended', [status, body], [200, { revoked: 3 }]);
  await Promise.all(streams.map((stream) => stream.ended()));
  await ask(401, 401, 401);
}

const dataDir = mkdtempSync(join(tmpdir(), 'latchkey-demo-'));
const database = await startEmbeddedPostgres({ dataDir });
let instances: Instance[] = [];
try {
  const env = { DATABASE_URL: database.url };
  instances = await Promise.all([startInstance({ env }), startInstance({ env })]);
  console.log(`Two instances of Latchkey (${instances.map(({ url }) => url).join(' and ')}) on one PostgreSQL.`);
  const [a, b] = instances.map(({ api }) => api);
  if (a && b) await demo(a, b);
} finally {
  await Promise.all(instances.map((instance) => instance.kill('SIGTERM')));
  await database.stop();
  rmSync(dataDir, { recursive: true, force: true });
}

console.log(deviations === 0 ? `\nEverything as promised.` : `\n${deviations} answers were not as promised.`);
process.exit(deviations === 0 ? 0 : 1);
