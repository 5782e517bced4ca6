import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Api, AuthResult, Credentials } from '../support/api.js';
import { until } from '../support/until.js';

const WORKERS = 3;
const PAUSE_MS = 30;
const AT_ONCE = 8;

/** A session whose logout was acknowledged. */
type Ended = Pick<AuthResult, 'accessToken' | 'refreshToken' | 'session'>;

/**
 * People at two instances who sign in, ask, refresh and log out without an end, while others ask with sessions that stay
 * open and with sessions that have ended. It keeps every logout that was acknowledged, and all that must never be answered.
 */
export class Load {
  readonly acknowledged: Ended[] = [];
  readonly violations: string[] = [];
  private readonly refusedAt: number[] = [];
  private isRunning = true;
  private readonly running: Promise<unknown>;

  private constructor(
    private readonly apis: readonly Api[],
    private readonly account: Credentials,
    private readonly devices: readonly AuthResult[],
  ) {
    this.running = Promise.all([
      ...Array.from({ length: WORKERS }, () => this.repeat(() => this.live())),
      ...apis.map((api, i) => this.repeat(() => this.askOpen(api, devices[i]!))),
      ...apis.map((api) => this.repeat(() => this.askEnded(api))),
    ]);
  }

  static async start(apis: readonly Api[]): Promise<Load> {
    const account = await apis[0]!.signUp();
    const devices = await Promise.all(apis.map((api) => api.signIn(account.credentials)));
    return new Load(apis, account.credentials, devices);
  }

  /** From the first to the last protected request that was refused since then. */
  secondsRefused(since: number): number {
    const refused = this.refusedAt.filter((at) => at >= since);
    return refused.length === 0 ? 0 : (refused.at(-1)! - refused[0]!) / 1000;
  }

  /** Waits until all is served again, at each instance. */
  async recovered(): Promise<void> {
    const before = this.acknowledged.length;
    await until('sessions are opened and ended again', () => this.acknowledged.length > before + 2 * WORKERS, 120);
    for (const [i, api] of this.apis.entries()) {
      await until('it is served', async () => (await api.me(this.devices[i]!.accessToken)).status === 200, 60);
    }
  }

  /** The acknowledged logouts of which a token is good for anything, at any instance unless others are given. */
  async findUndone(ended: readonly Ended[] = this.acknowledged, apis = this.apis): Promise<string[]> {
    const undone: string[] = [];
    const waiting = [...ended];
    const ask = async () => {
      for (let next = waiting.pop(); next; next = waiting.pop()) {
        const statuses: number[] = [];
        for (const api of apis) {
          statuses.push((await api.me(next.accessToken)).status, (await api.refresh(next.refreshToken)).status);
        }
        if (statuses.some((status) => status !== 401)) undone.push(`${next.session.id}: ${statuses.join(', ')}`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, ask));
    return undone;
  }

  async stop(): Promise<void> {
    this.isRunning = false;
    await this.running;
  }

  private async repeat(work: () => Promise<void>): Promise<void> {
    while (this.isRunning) {
      await work().catch((error: unknown) => this.violations.push(String(error)));
      await sleep(PAUSE_MS);
    }
  }

  private any(): Api {
    return this.apis[Math.floor(Math.random() * this.apis.length)]!;
  }

  /** One session from its login to its logout. What is answered 503 is asked again, with the same token. */
  private async live(): Promise<void> {
    const opened = await this.asked('login', [200], () => this.any().login(this.account));
    await this.asked('me', [200], () => this.any().me(opened.body.accessToken));
    const { body } = await this.asked('refresh', [200], () => this.any().refresh(opened.body.refreshToken));
    let tries = 0;
    // The first may have ended it although it was answered 503; then the next finds nothing to end.
    await this.asked('logout', [204, 401], () => {
      tries += 1;
      return this.any().logout(body.refreshToken);
    }).then(({ status }) => {
      if (status === 401 && tries === 1) this.violations.push('the first logout was answered 401');
    });
    this.acknowledged.push(body);
  }

  private async askOpen(api: Api, { accessToken }: AuthResult): Promise<void> {
    const { status } = await api.me(accessToken);
    if (status === 503) this.refusedAt.push(performance.now());
    else if (status !== 200) this.violations.push(`an open session was answered ${status}`);
  }

  private async askEnded(api: Api): Promise<void> {
    const ended = this.acknowledged.at(-1 - Math.floor(Math.random() * Math.min(20, this.acknowledged.length)));
    if (!ended) return;
    const { status } = await api.me(ended.accessToken);
    if (status !== 401 && status !== 503) this.violations.push(`an ended session was answered ${status}`);
  }

  private async asked<A extends Answer>(what: string, wanted: readonly number[], ask: () => Promise<A>): Promise<A> {
    for (;;) {
      const answer = await ask();
      if (wanted.includes(answer.status)) return answer;
      if (answer.status !== 503) {
        throw new Error(`${what} was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
      }
      await sleep(PAUSE_MS);
      if (!this.isRunning) throw new Error(`${what} was still answered 503 at the end`);
    }
  }
}
