import { UnavailableError } from './errors.js';

/** What Latchkey takes at once. */
const BATCH_MAX_TOKENS = 500;
const MOST_UNDER_WAY = 4;
// A question whose answer takes longer, for a lost packet or an instance that hangs, is not waited for by those behind it.
const PATIENCE_MS = 100;

interface Waiting<Result> {
  readonly token: string;
  readonly since: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Asks about tokens, once for all that wait at the same moment. While one question is under way the next gathers, and it is
 * asked only after every one of its tokens has arrived: so each answer is as strict as if it had been asked for alone.
 */
export class Batches<Result> {
  private readonly waiting: Waiting<Result>[] = [];
  private underWay = 0;
  private isAboutToAsk = false;
  /** The question that is waited for before the next. */
  private latest: readonly Waiting<Result>[] | null = null;
  private isClosed = false;
  private whenIdle: (() => void) | undefined;

  /** A token whose turn comes after `turnMaxMs` is not asked about. The check must not take longer than that itself. */
  constructor(
    private readonly check: (tokens: readonly string[]) => Promise<readonly Result[]>,
    private readonly turnMaxMs: number,
  ) {}

  /** Rejects as the check does, and with `timeout` where the turn comes too late. */
  ask(token: string): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.isClosed) {
        return reject(new UnavailableError('closed', 'The verifier was closed.'));
      }
      this.waiting.push({ token, since: performance.now(), resolve, reject });
      return this.askNext();
    });
  }

  /** Takes no further tokens. Resolves once those that wait are answered. */
  close(): Promise<void> {
    this.isClosed = true;
    return new Promise((resolve) => {
      this.whenIdle = resolve;
      this.noteIdle();
    });
  }

  private askNext(): void {
    if (this.isAboutToAsk) {
      return;
    }
    this.refuseLate();
    const isTurn = this.latest === null || this.waiting.length >= BATCH_MAX_TOKENS;
    if (this.waiting.length === 0 || !isTurn || this.underWay >= MOST_UNDER_WAY) {
      return;
    }
    this.isAboutToAsk = true;
    // After this turn of the event loop: requests that were read from their sockets together are asked together.
    setImmediate(() => {
      this.isAboutToAsk = false;
      this.askAbout(this.waiting.splice(0, BATCH_MAX_TOKENS));
      // What is left over where there were more.
      this.askNext();
    });
  }

  /** While Latchkey hangs, more arrive than can be asked about: this keeps their number and their wait within bounds. */
  private refuseLate(): void {
    const tooEarly = performance.now() - this.turnMaxMs;
    const message = `Latchkey was not asked, since it did not answer earlier questions within ${this.turnMaxMs} ms.`;
    const inTime = this.waiting.findIndex(({ since }) => since > tooEarly);
    for (const { reject } of this.waiting.splice(0, inTime === -1 ? this.waiting.length : inTime)) {
      reject(new UnavailableError('timeout', message));
    }
  }

  private askAbout(batch: readonly Waiting<Result>[]): void {
    this.latest = batch;
    this.underWay++;
    const patience = setTimeout(() => this.noLongerWaitFor(batch), PATIENCE_MS);
    void this.answer(batch).finally(() => {
      clearTimeout(patience);
      this.underWay--;
      this.noLongerWaitFor(batch);
      this.noteIdle();
    });
  }

  private noLongerWaitFor(batch: readonly Waiting<Result>[]): void {
    if (this.latest === batch) {
      this.latest = null;
    }
    this.askNext();
  }

  private async answer(batch: readonly Waiting<Result>[]): Promise<void> {
    try {
      const tokens = [...new Set(batch.map(({ token }) => token))];
      const results = await this.check(tokens);
      const resultOf = new Map(tokens.map((token, i) => [token, results[i]]));
      batch.forEach(({ token, resolve, reject }) => {
        const result = resultOf.get(token);
        return result === undefined ? reject(new Error('a token has no result')) : resolve(result);
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  private noteIdle(): void {
    if (this.underWay === 0 && this.waiting.length === 0) {
      this.whenIdle?.();
    }
  }
}
