import { generateKey, type KeyPair } from '../../src/keys/signing-key.js';
import type { Api, AuthResult } from '../support/api.js';
import { EventStream } from '../support/event-stream.js';
import { makeSigningKey, resign, signingKeyOf } from '../support/forge.js';
import { startInstance } from '../support/instance.js';
import { useInstances } from '../support/instances.js';
import { publishedBy, publishRs256, rotateKeys, Verifier } from '../support/keys.js';
import { ageKeys } from '../support/time.js';
import { until } from '../support/until.js';

// Keys are rotated on two instances under load, while other services verify what is signed by the published keys alone.
const t = useInstances(2, { env: { SESSION_CHECK_TIMEOUT_MS: '30000', DATABASE_CONNECT_TIMEOUT_MS: '30000' } });
const STEP_MINUTES = 5;
const TTL_DAYS = 90;

let movedMs = 0;
beforeAll(async () => {
  await publishRs256(t.a, t.database);
  const now = Date.now;
  jest.spyOn(Date, 'now').mockImplementation(() => now() + movedMs);
});
afterAll(() => jest.restoreAllMocks());

const kidOf = (token: string): string => JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()).kid;

/** So many minutes pass: for the keys, and for the verifiers. Both instances have looked since. */
async function pass(minutes: number): Promise<void> {
  await ageKeys(t.database, `${minutes} minutes`);
  movedMs += minutes * 60_000;
  await Promise.all([publishedBy(t.a), publishedBy(t.b)]);
}

interface Issued {
  readonly token: string;
  readonly atMs: number;
}

/** Clients that refresh and use what they get, at both instances, and services that verify it. Counts what went wrong. */
class Load {
  readonly wrong = { refusedByUs: 0, refusedByVerifiers: 0, takenByUs: 0, takenByVerifiers: 0 };
  readonly kids = new Set<string>();
  rounds = 0;
  private readonly issued: Issued[] = [];
  private isRunning = true;
  private readonly running: Promise<unknown>;

  constructor(
    devices: readonly AuthResult[],
    private readonly verifiers: readonly Verifier[],
    private readonly formerKeys: readonly KeyPair[] = [],
  ) {
    this.running = Promise.all(devices.map((device, i) => this.live(device, i)));
  }

  /** Waits until every client has gone on for a while. */
  async goOn(): Promise<void> {
    const before = this.rounds;
    await until('the clients have gone on', () => this.rounds >= before + 12, 60);
  }

  /** What was issued in the last ten minutes is good, at every instance and every verifier. */
  async verifyRecent(): Promise<void> {
    const recent = this.issued.filter(({ atMs }) => movedMs - atMs <= 600_000);
    for (const { token } of recent.slice(-60)) await this.expectGood(token);
  }

  async stop(): Promise<void> {
    this.isRunning = false;
    await this.running;
  }

  private async live(device: AuthResult, index: number): Promise<void> {
    let { refreshToken } = device;
    for (let turn = index; this.isRunning; turn++) {
      const answer = await (turn % 2 ? t.a : t.b).refresh(refreshToken);
      if (answer.status !== 200) {
        this.wrong.refusedByUs++;
        return;
      }
      refreshToken = answer.body.refreshToken;
      const token = answer.body.accessToken;
      this.issued.push({ token, atMs: movedMs });
      this.kids.add(kidOf(token));
      await this.expectGood(token);
      await this.expectBad(answer.body);
      this.rounds++;
    }
  }

  private async expectGood(token: string): Promise<void> {
    const answers = await Promise.all([t.a.me(token), t.b.me(token)]);
    this.wrong.refusedByUs += answers.filter(({ status }) => status !== 200).length;
    const verdicts = await Promise.all(this.verifiers.map((verifier) => verifier.accepts(token)));
    this.wrong.refusedByVerifiers += verdicts.filter((isAccepted) => !isAccepted).length;
  }

  private async expectBad(login: AuthResult): Promise<void> {
    const stranger = generateKey();
    const keys = [stranger, { ...stranger, id: kidOf(login.accessToken) }, ...this.formerKeys];
    for (const token of keys.map((key) => resign(login, key))) {
      const answers = await Promise.all([t.a.me(token), t.b.me(token)]);
      this.wrong.takenByUs += answers.filter(({ status }) => status !== 401).length;
      const verdicts = await Promise.all(this.verifiers.map((verifier) => verifier.accepts(token)));
      this.wrong.takenByVerifiers += verdicts.filter(Boolean).length;
    }
  }
}

const NOTHING = { refusedByUs: 0, refusedByVerifiers: 0, takenByUs: 0, takenByVerifiers: 0 };
const signUpAll = () => Promise.all([t.a, t.b, t.a, t.b].map((api) => api.signUp()));
const verifiersOf = (apis: readonly Api[]) => apis.map((api) => new Verifier(api));

describe('rotation', () => {
  it('Rotating the key refuses no good token and accepts no bad one, at both instances and at verifiers with a cache of ten minutes', async () => {
    const former = await signingKeyOf(t.database);
    const verifiers = verifiersOf([t.a, t.b]);
    const devices = await signUpAll();
    const stream = await EventStream.open(t.a, devices[0]!.accessToken);
    const load = new Load(devices, verifiers);
    await load.goOn();
    // More of them, whose ten minutes begin at other times.
    for (const api of [t.a, t.b]) {
      await pass(STEP_MINUTES);
      verifiers.push(new Verifier(api));
      await load.goOn();
    }

    const { code, output } = await rotateKeys(t.database.url);
    expect(code).toBe(0);
    const next = (await publishedBy(t.a)).find((kid) => kid !== former.id)!;
    expect(output).toContain(next);
    for (const api of [t.a, t.b]) expect((await publishedBy(api)).toSorted()).toEqual([former.id, next].toSorted());

    // It is published for twenty minutes, and nobody signs with it; then nobody signs with the other one.
    for (let minutes = 0; minutes < 20; minutes += STEP_MINUTES) {
      expect([...load.kids]).toEqual([former.id]);
      await pass(STEP_MINUTES);
      await load.goOn();
      await load.verifyRecent();
    }
    load.kids.clear();
    await load.goOn();
    expect([...load.kids]).toEqual([next]);

    // The former one stays published for a token's ten minutes and twenty more.
    for (let minutes = 0; minutes < 25; minutes += STEP_MINUTES) {
      for (const api of [t.a, t.b]) expect((await publishedBy(api)).toSorted()).toEqual([former.id, next].toSorted());
      await load.verifyRecent();
      await pass(STEP_MINUTES);
      await load.goOn();
    }
    const [left] = await t.database.query<{ minutes: number }>(
      `SELECT (extract(epoch FROM accepted_until - now()) / 60)::double precision AS minutes
       FROM signing_keys WHERE id = $1`,
      [former.id],
    );
    expect(left!.minutes).toBeGreaterThan(4);
    // The last seconds pass by themselves, as they do for a stream that was opened long ago.
    await pass(left!.minutes - 0.05);
    for (const api of [t.a, t.b]) {
      await until('the former one is gone', async () => (await publishedBy(api)).join() === next);
    }
    await load.goOn();
    await load.stop();
    expect(load.wrong).toEqual(NOTHING);
    expect(stream.endedAt).toBeNull();
    stream.close();

    // What it signs now is forged: at once here, and at verifiers once they have looked again.
    const login = await t.a.signUp();
    await pass(10);
    const late = new Load([login], verifiers, [former]);
    await late.goOn();
    await late.stop();
    expect(late.wrong).toEqual(NOTHING);
  }, 180_000);

  it('A key that signs before it was published is refused by verifiers with a cache', async () => {
    const former = await signingKeyOf(t.database);
    const load = new Load(await signUpAll(), verifiersOf([t.a, t.b]));
    await load.goOn();
    await rotateKeys(t.database.url);
    // The rule is broken on purpose: twenty minutes pass for the keys alone.
    await ageKeys(t.database, '20 minutes');
    await Promise.all([publishedBy(t.a), publishedBy(t.b)]);
    await until('the next one signs', () => [...load.kids].some((kid) => kid !== former.id), 60);
    await load.goOn();
    await load.stop();
    expect(load.wrong.refusedByVerifiers).toBeGreaterThan(0);
    expect({ ...load.wrong, refusedByVerifiers: 0 }).toEqual(NOTHING);
  }, 60_000);

  it('Asked to rotate while the next key is published already, the command makes no other one', async () => {
    const [first, second] = [await rotateKeys(t.database.url), await rotateKeys(t.database.url)];
    const published = await publishedBy(t.b);
    expect([first.code, second.code]).toEqual([0, 0]);
    expect(second.output).toMatch(/already.*Nothing was changed/);
    expect(published.filter((kid) => second.output.includes(kid))).toHaveLength(1);
    expect(await publishedBy(t.a)).toEqual(published);
    await pass(60);
  });

  it('The service rotates the key by itself when it has signed for SIGNING_KEY_TTL, and publishes the next one before', async () => {
    const former = await signingKeyOf(t.database);
    await pass(TTL_DAYS * 24 * 60 - 25);
    expect(await publishedBy(t.a)).toEqual([former.id]);
    await pass(10);
    // Any instance does it, within a minute; one that starts does it at once.
    const third = await startInstance({ env: { DATABASE_URL: t.database.url } });
    await third.kill('SIGTERM');
    const [, next] = await publishedBy(t.b);
    expect(await publishedBy(t.a)).toEqual([former.id, next]);
    expect(kidOf((await t.a.signUp()).accessToken)).toBe(former.id);
    await pass(20);
    for (const api of [t.a, t.b]) expect(kidOf((await api.signUp()).accessToken)).toBe(next);
    await pass(35);
    for (const api of [t.a, t.b]) expect(await publishedBy(api)).toEqual([next]);
  }, 60_000);
});

describe('a leaked key', () => {
  it('After a key was revoked as leaked no instance accepts it, and every client refreshes once', async () => {
    for (let time = 0; time < 3; time++) {
      const leaked = await signingKeyOf(t.database);
      const devices = await Promise.all(Array.from({ length: 8 }, (_, i) => (i % 2 ? t.a : t.b).signUp()));
      const forged = devices.map((device) => resign(device, leaked));
      let isDone = false;
      const accepted = { before: 0, after: 0 };
      let isRunning = true;
      const asking = [...devices.map(({ accessToken }) => accessToken), ...forged].map(async (token, i) => {
        while (isRunning) {
          const isLate = isDone;
          const { status } = await (i % 2 ? t.a : t.b).me(token);
          accepted[isLate ? 'after' : 'before'] += status === 200 ? 1 : 0;
        }
      });
      await until('all are accepted', () => accepted.before > 100);

      const { code, output } = await rotateKeys(t.database.url, { args: ['--leaked'] });
      isDone = true;
      expect([code, output.includes(leaked.id)]).toEqual([0, true]);

      await Promise.all(
        devices.map(async ({ accessToken, refreshToken, session }, i) => {
          const [one, other] = i % 2 ? [t.a, t.b] : [t.b, t.a];
          expect(await one.me(accessToken)).toMatchObject({ status: 401, body: { code: 'invalid_token' } });
          const { status, body } = await other.refresh(refreshToken);
          expect([status, body.session.id, kidOf(body.accessToken) === leaked.id]).toEqual([200, session.id, false]);
          for (const api of [one, other]) expect((await api.me(body.accessToken)).status).toBe(200);
        }),
      );
      for (const api of [t.a, t.b]) expect(await publishedBy(api)).toEqual([expect.not.stringContaining(leaked.id)]);
      isRunning = false;
      await Promise.all(asking);
      expect(accepted.after).toBe(0);
    }
  }, 120_000);

  it('A key that is published and does not sign yet is revoked together with the one that leaked', async () => {
    await rotateKeys(t.database.url);
    const before = await publishedBy(t.a);
    expect(before).toHaveLength(2);
    const { output } = await rotateKeys(t.database.url, { args: ['--leaked'] });
    for (const kid of before) expect(output).toContain(kid);
    const after = await publishedBy(t.b);
    expect(after).toHaveLength(1);
    expect(before).not.toContain(after[0]);
  });

  it('An event stream that was opened with a token of a leaked key ends at once, and its session goes on', async () => {
    const leaked = await signingKeyOf(t.database);
    const login = await t.a.signUp();
    const streams = await Promise.all(
      [t.a, t.b].flatMap((api) =>
        [login.accessToken, resign(login, leaked)].map((token) => EventStream.open(api, token)),
      ),
    );
    await rotateKeys(t.database.url, { args: ['--leaked'] });
    for (const stream of streams) {
      await stream.ended();
      expect(stream.events).toEqual([]);
    }
    const { accessToken } = (await t.a.refresh(login.refreshToken)).body;
    const fresh = await EventStream.open(t.b, accessToken);
    const { session } = await t.a.signIn(login.credentials);
    await fresh.await('session.created', session.id);
    expect(fresh.endedAt).toBeNull();
    fresh.close();
  }, 60_000);

  it('Of a key whose revocation was not notified, a refresh right afterwards signs no token', async () => {
    const login = await t.a.signUp();
    const leaked = await signingKeyOf(t.database);
    // Both instances know this one alone, and nothing says that it changed.
    const next = await makeSigningKey(t.database);
    await t.database.query(`UPDATE signing_keys SET accepted_until = '-infinity' WHERE id = $1`, [leaked.id]);
    const { status, body } = await t.a.refresh(login.refreshToken);
    expect([status, kidOf(body.accessToken)]).toEqual([200, next.id]);
    for (const api of [t.a, t.b]) expect((await api.me(body.accessToken)).status).toBe(200);
    expect((await t.b.me(login.accessToken)).status).toBe(401);
  });

  it('Who rotated and revoked keys, and why, is in the audit trail', async () => {
    // Of each, a key of ES256 and one of RS256.
    const rows = await t.database.query<{ type: string; reason: string; count: number }>(
      `SELECT type, reason, count(*)::integer AS count FROM audit_events WHERE type LIKE 'signing_key%'
       GROUP BY type, reason ORDER BY type, reason`,
    );
    expect(rows).toEqual([
      { type: 'signing_key_revoked', reason: 'leaked', count: expect.any(Number) },
      { type: 'signing_key_rotated', reason: 'command', count: 8 },
      { type: 'signing_key_rotated', reason: 'first', count: 2 },
      { type: 'signing_key_rotated', reason: 'leaked', count: 10 },
      { type: 'signing_key_rotated', reason: 'schedule', count: 2 },
    ]);
    const [made] = await t.database.query<{ count: number }>(
      `SELECT count(DISTINCT note)::integer AS count FROM audit_events
       WHERE type = 'signing_key_rotated' AND length(note) = 43`,
    );
    expect(made!.count).toBe(22);
    const unnamed = `SELECT FROM audit_events WHERE type = 'signing_key_revoked' AND note IS NULL`;
    expect(await t.database.query(unnamed)).toEqual([]);
  });
});
