import { randomBytes } from 'node:crypto';
import { type Answer, type Api, type AuthResult } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { resign, signingKeyOf } from '../support/forge.js';
import { type Instance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { until } from '../support/until.js';

// Both secrets are replaced while clients go on, on two instances that are restarted one after the other. Who had to log in
// again, and whose access token was refused?
const SESSIONS = 4;
// A machine that is busy is no refusal.
const PATIENT = {
  SESSION_CHECK_TIMEOUT_MS: '30000',
  DATABASE_CONNECT_TIMEOUT_MS: '30000',
  DATABASE_STATEMENT_TIMEOUT_MS: '30000',
};
const secret = () => randomBytes(32).toString('base64url');
const OLD = { JWT_SECRET: secret(), REFRESH_TOKEN_SECRET: secret() };
const NEW = { JWT_SECRET: secret(), REFRESH_TOKEN_SECRET: secret() };

/** So many secrets each, the first of which signs. */
const listed = (...secrets: (typeof OLD)[]) => ({
  JWT_SECRET: secrets.map(({ JWT_SECRET }) => JWT_SECRET).join(','),
  REFRESH_TOKEN_SECRET: secrets.map(({ REFRESH_TOKEN_SECRET }) => REFRESH_TOKEN_SECRET).join(','),
});

let database: TestDatabase;
let fleet: Fleet;

beforeAll(async () => {
  database = await createDatabase();
});

afterEach(() => fleet?.stop(), 60_000);

afterAll(async () => {
  await expectInvariants(database);
  await database.drop();
});

interface Place {
  readonly instance: Instance;
  underWay: number;
}

/** Two instances, as a load balancer sees them. */
class Fleet {
  private constructor(private readonly places: Place[]) {}

  static async start(env: Record<string, string>): Promise<Fleet> {
    return new Fleet([await place(env), await place(env)]);
  }

  /** Asks every instance: by turns all at the same moment, one after the other, and the other way round. */
  async askAll<T>(turn: number, ask: (api: Api) => Promise<T>): Promise<T[]> {
    const askOne = (where: Place): Promise<T> => {
      where.underWay++;
      return ask(where.instance.api).finally(() => where.underWay--);
    };
    if (turn % 3 === 0) {
      return Promise.all(this.places.map(askOne));
    }
    const answers: T[] = [];
    for (const i of turn % 3 === 1 ? [0, 1] : [1, 0]) {
      // Whoever is there by then.
      answers.push(await askOne(this.places[i]!));
    }
    return answers;
  }

  get apis(): [Api, Api] {
    return this.places.map(({ instance }) => instance.api) as [Api, Api];
  }

  /** Puts another in the place of the first one, with requests all the time; of the other one when asked again. */
  async replaceNext(env: Record<string, string>): Promise<void> {
    const fresh = await place(env);
    const leaving = this.places.shift();
    this.places.push(fresh);
    await until('what was under way is answered', () => leaving?.underWay === 0);
    await leaving?.instance.kill('SIGTERM');
  }

  async stop(): Promise<void> {
    await Promise.all(this.places.map(({ instance }) => instance.kill('SIGTERM')));
  }
}

const place = async (env: Record<string, string>): Promise<Place> => ({
  instance: await startInstance({ env: { DATABASE_URL: database.url, ...PATIENT, ...env } }),
  underWay: 0,
});

/** Sessions whose tabs refresh together at all instances, and use what they got at all of them, without pause. */
class Clients {
  readonly refused = { refresh: 0, access: 0 };
  answered = 0;
  differing = 0;
  private readonly rounds = new Map<string, number>();
  private isRunning = true;
  private readonly running: Promise<unknown>;

  constructor(devices: readonly AuthResult[]) {
    this.running = Promise.all(devices.map((device) => this.live(device)));
  }

  /** Waits until every session has gone through each kind of turn, and one of them whole. */
  async goOn(): Promise<void> {
    const before = new Map(this.rounds);
    await until(
      'all have gone on',
      () => [...this.rounds].every(([id, rounds]) => rounds >= (before.get(id) ?? 0) + 4),
      60,
    );
  }

  async stop(): Promise<void> {
    this.isRunning = false;
    await this.running;
  }

  private async live({ session, ...tokens }: AuthResult): Promise<void> {
    let { refreshToken, accessToken } = tokens;
    for (let turn = 0; this.isRunning; turn++) {
      this.rounds.set(session.id, turn);
      const refreshed = await fleet.askAll(turn, (api) => api.refresh(refreshToken));
      this.count(refreshed, 'refresh');
      const granted = refreshed.filter(({ status }) => status === 200).map(({ body }) => body);
      this.differing += new Set(granted.map((body) => body.refreshToken)).size > 1 ? 1 : 0;
      ({ refreshToken, accessToken } = granted[0] ?? { refreshToken, accessToken });
      this.count(await fleet.askAll(turn, (api) => api.me(accessToken)), 'access');
    }
  }

  private count(answers: readonly Answer[], kind: 'refresh' | 'access'): void {
    this.answered += answers.length;
    this.refused[kind] += answers.filter(({ status }) => status === 401).length;
  }
}

const signUpAll = () => Promise.all(Array.from({ length: SESSIONS }, (_, i) => fleet.apis[i % 2]!.signUp()));

/** A token that was spent two refreshes ago is theft, whichever instance signed it and whichever it comes back to. */
async function expectReuseToBeNoticed(): Promise<void> {
  for (const [one, other] of [fleet.apis, fleet.apis.toReversed()] as [Api, Api][]) {
    const { accessToken, refreshToken } = await one.signUp();
    const second = (await other.refresh(refreshToken)).body;
    const third = (await one.refresh(second.refreshToken)).body;
    expect(await other.refresh(refreshToken)).toMatchObject({ status: 401, body: { code: 'refresh_token_reused' } });
    for (const api of fleet.apis) {
      expect(await api.me(accessToken)).toMatchObject({ status: 401, body: { code: 'session_revoked' } });
      expect((await api.refresh(third.refreshToken)).status).toBe(401);
    }
  }
}

/** A tab that missed the last refresh logs out with what it has. */
async function expectPredecessorToLogOut(): Promise<void> {
  for (const [one, other] of [fleet.apis, fleet.apis.toReversed()] as [Api, Api][]) {
    const { accessToken, refreshToken } = await one.signUp();
    expect((await one.refresh(refreshToken)).status).toBe(200);
    expect((await other.logout(refreshToken)).status).toBe(204);
    expect((await one.me(accessToken)).status).toBe(401);
  }
}

const ALGORITHMS = ['ES256', 'HS256'];
const REPLACING = 'Replacing both secrets in three steps refuses no client, and reuse is noticed at every step';
it.each(ALGORITHMS.map((name) => [`${REPLACING} (${name})`, name]))(
  '%s',
  async (_, JWT_ALGORITHM) => {
    fleet = await Fleet.start({ ...listed(OLD), JWT_ALGORITHM });
    const clients = new Clients(await signUpAll());
    for (const secrets of [listed(OLD, NEW), listed(NEW, OLD), listed(NEW)]) {
      await clients.goOn();
      await fleet.replaceNext({ ...secrets, JWT_ALGORITHM });
      await clients.goOn();
      await expectReuseToBeNoticed();
      await expectPredecessorToLogOut();
      await fleet.replaceNext({ ...secrets, JWT_ALGORITHM });
    }
    await clients.goOn();
    await clients.stop();

    expect({ refused: clients.refused, differing: clients.differing }).toEqual({
      refused: { refresh: 0, access: 0 },
      differing: 0,
    });
    expect(clients.answered).toBeGreaterThan(100);
    const me = await fleet.apis[0].signUp();
    expect((await fleet.apis[0].me(resign(me, OLD.JWT_SECRET))).status).toBe(401);
    if (JWT_ALGORITHM === 'HS256') {
      expect((await fleet.apis[0].me(resign(me, NEW.JWT_SECRET))).status).toBe(200);
    } else {
      // One and the same key signs all the time. The new secret opens it, and the old one no more.
      expect(
        (await fleet.apis[0].me(resign(me, await signingKeyOf(database, { secret: NEW.JWT_SECRET })))).status,
      ).toBe(200);
      await expect(signingKeyOf(database, { secret: OLD.JWT_SECRET })).rejects.toThrow();
      expect(await database.query('SELECT FROM signing_keys')).toHaveLength(1);
    }
  },
  300_000,
);

it('Replacing both secrets in one step refuses some refreshes, and under HS256 some access tokens', async () => {
  const JWT_ALGORITHM = 'HS256';
  fleet = await Fleet.start({ ...listed(OLD), JWT_ALGORITHM });
  const clients = new Clients(await signUpAll());
  await clients.goOn();
  await fleet.replaceNext({ ...listed(NEW, OLD), JWT_ALGORITHM });
  await clients.goOn();
  await clients.stop();

  expect(clients.refused.refresh).toBeGreaterThan(0);
  expect(clients.refused.access).toBeGreaterThan(0);
}, 120_000);
