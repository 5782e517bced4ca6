import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { signUpStaff } from '../support/clients.js';
import { seedDevices } from '../support/devices.js';
import { freePort } from '../support/free-port.js';
import { type Instance, startInstance } from '../support/instance.js';
import { useInstances } from '../support/instances.js';
import { temporaryFolder } from '../support/postgres.js';
import { until } from '../support/until.js';

// Receivers that are killed and frozen at random, each by a seed of its own, while sessions end on two instances, of which one is
// killed too. What they were told is what happened.
const t = useInstances(1, { hasFaults: true });
const SEEDS = 20;
const LASTS_MS = 20_000;
const folder = temporaryFolder();

interface Told {
  readonly id: string;
  readonly type: string;
  readonly session: string;
}

/** Numbers from 0 to 1, the same for the same seed (a linear congruential generator). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
}

class DoomedReceiver {
  readonly file: string;
  isDisturbed = true;
  private child: ChildProcess | null = null;

  constructor(
    readonly seed: number,
    readonly port: number,
  ) {
    this.file = join(folder, `${seed}.jsonl`);
  }

  async start(): Promise<void> {
    this.child = fork('test/support/receiver-process.mjs', [String(this.port), this.file], { silent: true });
    await once(this.child, 'message');
  }

  async kill(): Promise<void> {
    const gone = once(this.child!, 'exit');
    this.child!.kill('SIGKILL');
    await gone;
  }

  /** Kills or freezes it, again and again, until it is to be left alone. */
  async disturb(): Promise<void> {
    const random = randomOf(this.seed);
    while (this.isDisturbed) {
      await sleep(500 + random() * 2500);
      if (random() < 0.5) {
        await this.kill();
        await sleep(random() * 2000);
        await this.start();
      } else {
        this.child!.kill('SIGSTOP');
        await sleep(random() * 3000);
        this.child!.kill('SIGCONT');
      }
    }
  }

  told(): Told[] {
    return existsSync(this.file)
      ? readFileSync(this.file, 'utf8')
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line))
      : [];
  }
}

let receivers: DoomedReceiver[];
let doomed: Instance;

beforeAll(async () => {
  receivers = [];
  for (let seed = 1; seed <= SEEDS; seed++) receivers.push(new DoomedReceiver(seed, await freePort()));
  await Promise.all(receivers.map((receiver) => receiver.start()));
  doomed = await startInstance({ env: { DATABASE_URL: t.database.url, LOG_LEVEL: 'silent' } });
}, 60_000);

afterAll(() => Promise.all([...receivers.map((receiver) => receiver.kill()), doomed.kill('SIGKILL')]));

it('Receivers that are killed and frozen at random are sent every session that began and ended, in order', async () => {
  const staff = await signUpStaff(t.a, t.database);
  for (const { port, file } of receivers) {
    const { status, body } = await t.a.call('POST', '/admin/receivers', {
      bearer: staff.accessToken,
      body: { url: `http://127.0.0.1:${port}/`, kind: 'webhook', events: ['session.created', 'session.revoked'] },
    });
    expect(status).toBe(201);
    writeFileSync(`${file}.secret`, body.secret);
  }
  const disturbed = receivers.map((receiver) => receiver.disturb());

  const until20s = Date.now() + LASTS_MS;
  let isDead = false;
  while (Date.now() < until20s) {
    const apis = isDead ? [t.a] : [t.a, doomed.api];
    const devices = await seedDevices(t.database, [t.a], 2);
    await Promise.all(devices.map(({ refreshToken }, i) => apis[i % apis.length]!.logout(refreshToken)));
    if (!isDead && Date.now() > until20s - LASTS_MS / 2) {
      isDead = true;
      await doomed.kill('SIGKILL');
    }
  }
  for (const receiver of receivers) receiver.isDisturbed = false;
  await Promise.all(disturbed);

  const happened = await t.database.query<{ type: string; session: string }>(
    `SELECT CASE type WHEN 'session_created' THEN 'session.created' ELSE 'session.revoked' END AS type, session_id AS session
     FROM audit_events WHERE type IN ('session_created', 'session_revoked')
       AND at > (SELECT max(created_at) FROM receivers) ORDER BY 1, 2`,
  );
  expect(happened.length).toBeGreaterThan(100);
  // Soon: pauses are of seconds here, ten minutes at most.
  await until(
    'nothing waits',
    async () => (await t.database.query(`SELECT FROM deliveries WHERE state = 'waiting' LIMIT 1`)).length === 0,
    200,
  );

  const keyOf = ({ type, session }: { type: string; session: string }) => `${type} ${session}`;
  let duplicates = 0;
  for (const receiver of receivers) {
    const told = receiver.told();
    expect(new Set(told.map(keyOf))).toEqual(new Set(happened.map(keyOf)));
    // A duplicate is one delivery, and has one id.
    expect(new Set(told.map(({ id }) => id)).size).toBe(happened.length);
    duplicates += told.length - happened.length;
    const begun = new Set<string>();
    for (const { type, session } of told) {
      if (type === 'session.created') begun.add(session);
      else expect(begun).toContain(session);
    }
  }
  // The control: answers were lost, so what was taken had to be sent again.
  expect(duplicates).toBeGreaterThan(0);
}, 400_000);
