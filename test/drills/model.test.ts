import fc from 'fast-check';
import type { Answer, AuthResult } from '../support/api.js';
import { useApp } from '../support/app.js';

// A window long enough that no run of commands outlasts it by itself; the command Settle lets it pass.
const t = useApp({ REFRESH_GRACE_SECONDS: '300' });

const USERS = 2;

/** One device as the model sees it: what it was given, and what should have become of it. */
class Device {
  state: 'active' | 'revoked' | 'expired' = 'active';
  /** Whether the token before the newest would still be answered with the newest. */
  honoursPredecessor = false;
  isLoggedOut = false;
  readonly id: string;
  readonly refreshTokens: string[];
  readonly accessTokens: string[];

  constructor(
    readonly user: number,
    { session, refreshToken, accessToken }: AuthResult,
  ) {
    this.id = session.id;
    this.refreshTokens = [refreshToken];
    this.accessTokens = [accessToken];
  }

  get isActive(): boolean {
    return this.state === 'active';
  }

  revoke(): void {
    if (this.isActive) this.state = 'revoked';
  }

  logOut(): void {
    this.isLoggedOut ||= this.isActive;
    this.revoke();
  }

  /** Whether a logout found that another was there before: for some seconds, which the model does not count. */
  isRepeat({ status }: Answer): boolean {
    return this.isLoggedOut && status === 204;
  }

  /** How the token of so many generations ago must be answered. */
  verdictOn(age: number): 'good' | 'refresh_token_reused' | 'session_revoked' | 'session_expired' {
    if (age > 1 || (age === 1 && !this.honoursPredecessor)) return 'refresh_token_reused';
    return this.isActive ? 'good' : `session_${this.state as 'revoked' | 'expired'}`;
  }

  tokenOf(age: number): string {
    return this.refreshTokens.at(-1 - age)!;
  }
}

interface World {
  devices: Device[];
}

interface Real {
  accounts: Awaited<ReturnType<typeof t.api.signUp>>[];
}

abstract class Step implements fc.AsyncCommand<World, Real> {
  constructor(private readonly pick: number) {}

  abstract act(device: Device, model: World, real: Real): Promise<void>;

  check({ devices }: World): boolean {
    return devices.length > 0;
  }

  async run(model: World, real: Real): Promise<void> {
    await this.act(model.devices[this.pick % model.devices.length]!, model, real);
    await compare(model);
  }

  toString(): string {
    return `${this.constructor.name}(${this.pick})`;
  }
}

const codeOf = ({ status, body }: Answer): string => (status < 300 ? 'good' : String(body?.code));
const activeOf = ({ devices }: World, user: number) => devices.filter((one) => one.user === user && one.isActive);

/** Asks for every device whether its newest and its first access token live, and what the owner's list shows. */
async function compare(model: World): Promise<void> {
  await Promise.all(
    model.devices.map(async (device) => {
      const expected = device.isActive ? 'good' : `session_${device.state}`;
      const [newest, first] = [device.accessTokens.at(-1)!, device.accessTokens[0]!];
      expect([codeOf(await t.api.me(newest)), codeOf(await t.api.me(first))]).toEqual([expected, expected]);
    }),
  );
  for (let user = 0; user < USERS; user++) {
    const active = activeOf(model, user);
    if (active[0]) {
      const { body } = await t.api.sessions(active[0].accessTokens.at(-1)!);
      expect(body.items.map(({ id }) => id).toSorted()).toEqual(active.map(({ id }) => id).toSorted());
    }
  }
}

class Login extends Step {
  override check(): boolean {
    return true;
  }

  async act({ user }: Device, { devices }: World, { accounts }: Real): Promise<void> {
    devices.push(new Device(user, await t.api.signIn(accounts[user]!.credentials)));
  }
}

/** Presents the token of so many generations ago: 0 refreshes, 1 is the predecessor, more is a replay. */
class Refresh extends Step {
  constructor(
    pick: number,
    private readonly age: number,
  ) {
    super(pick);
  }

  async act(device: Device): Promise<void> {
    const age = Math.min(this.age, device.refreshTokens.length - 1);
    const verdict = device.verdictOn(age);
    const answer = await t.api.refresh(device.tokenOf(age));
    expect(codeOf(answer)).toBe(verdict);

    if (verdict === 'refresh_token_reused') {
      device.revoke();
    } else if (verdict === 'good' && age === 1) {
      expect(answer.body.refreshToken).toBe(device.tokenOf(0));
    } else if (verdict === 'good') {
      device.refreshTokens.push(answer.body.refreshToken);
      device.accessTokens.push(answer.body.accessToken);
      device.honoursPredecessor = true;
    }
  }

  override toString(): string {
    return `${super.toString()}-${this.age}`;
  }
}

/** The window passes, and the newest access token has been in use. */
class Settle extends Step {
  async act(device: Device): Promise<void> {
    await t.database.query(
      `UPDATE sessions SET rotated_at = rotated_at - interval '1 hour', used_generation = generation WHERE id = $1`,
      [device.id],
    );
    device.honoursPredecessor = false;
  }
}

class Expire extends Step {
  constructor(
    pick: number,
    private readonly end: 'idle_expires_at' | 'expires_at',
  ) {
    super(pick);
  }

  async act(device: Device): Promise<void> {
    await t.database.query(`UPDATE sessions SET ${this.end} = now() WHERE id = $1`, [device.id]);
    if (device.isActive) device.state = 'expired';
  }
}

class Logout extends Step {
  async act(device: Device): Promise<void> {
    const answer = await t.api.logout(device.tokenOf(0));
    const isDone = device.isActive || device.isRepeat(answer);
    expect([answer.status, answer.body?.code]).toEqual(isDone ? [204, undefined] : [400, 'invalid_refresh_token']);
    device.logOut();
  }
}

class LogoutByAccessToken extends Step {
  async act(device: Device): Promise<void> {
    const answer = await t.api.call('POST', '/auth/logout', { bearer: device.accessTokens.at(-1)! });
    expect(codeOf(answer)).toBe(device.isActive || device.isRepeat(answer) ? 'good' : `session_${device.state}`);
    device.logOut();
  }
}

class LogoutOthers extends Step {
  async act(device: Device, model: World): Promise<void> {
    const answer = await t.api.logoutOthers(device.accessTokens.at(-1)!);
    if (!device.isActive) {
      expect(codeOf(answer)).toBe(`session_${device.state}`);
      return;
    }
    const others = activeOf(model, device.user).filter((one) => one !== device);
    expect(answer.body).toEqual({ revoked: others.length });
    others.forEach((one) => one.revoke());
  }
}

class LogoutAll extends Step {
  async act(device: Device, model: World): Promise<void> {
    const answer = await t.api.logoutAll(device.tokenOf(0));
    if (!device.isActive) {
      expect(codeOf(answer)).toBe(`session_${device.state}`);
      return;
    }
    const all = activeOf(model, device.user);
    expect(answer.body).toEqual({ revoked: all.length });
    all.forEach((one) => one.revoke());
  }
}

/** One device ends another: of the same user, or, in vain, of somebody else. */
class Delete extends Step {
  constructor(
    pick: number,
    private readonly target: number,
  ) {
    super(pick);
  }

  async act(device: Device, { devices }: World): Promise<void> {
    const target = devices[this.target % devices.length]!;
    const answer = await t.api.endSession(device.accessTokens.at(-1)!, target.id);
    if (!device.isActive) {
      expect(codeOf(answer)).toBe(`session_${device.state}`);
    } else if (target.user !== device.user || !target.isActive) {
      expect(codeOf(answer)).toBe('session_not_found');
    } else {
      expect(answer.status).toBe(204);
      target.revoke();
    }
  }

  override toString(): string {
    return `${super.toString()}->${this.target}`;
  }
}

it('After any operations in any order exactly those tokens work that a small model says', async () => {
  const pick = fc.nat(20);
  const steps = [
    pick.map((n) => new Login(n)),
    fc.tuple(pick, fc.constantFrom(0, 0, 0, 1, 1, 2, 3, 9)).map(([n, age]) => new Refresh(n, age)),
    fc.tuple(pick, fc.constantFrom(0, 0, 0, 1, 1, 2, 3, 9)).map(([n, age]) => new Refresh(n, age)),
    pick.map((n) => new Settle(n)),
    fc.tuple(pick, fc.constantFrom('idle_expires_at', 'expires_at')).map(([n, end]) => new Expire(n, end)),
    pick.map((n) => new Logout(n)),
    pick.map((n) => new LogoutByAccessToken(n)),
    pick.map((n) => new LogoutOthers(n)),
    pick.map((n) => new LogoutAll(n)),
    fc.tuple(pick, pick).map(([n, target]) => new Delete(n, target)),
  ];

  await fc.assert(
    fc.asyncProperty(fc.commands(steps, { maxCommands: 40, size: 'max' }), async (commands) => {
      const accounts = await Promise.all(Array.from({ length: USERS }, () => t.api.signUp()));
      const devices = accounts.map((account, user) => new Device(user, account));
      await fc.asyncModelRun(() => ({ model: { devices }, real: { accounts } }), commands);

      // Last, since asking changes things: which refresh tokens live.
      for (const device of devices) {
        expect(codeOf(await t.api.refresh(device.tokenOf(0)))).toBe(device.verdictOn(0));
      }
    }),
    { numRuns: 60, endOnFailure: process.env['CI'] === 'true' },
  );
}, 600_000);
