import { Logger } from '@nestjs/common';

/** Something that waits to be sent: a row that was written in the transaction of what it is about. */
export interface OutboxRow {
  readonly id: string;
}

/** What one outbox has of its own: its table, and where its rows go. */
export interface OutboxTable<Row extends OutboxRow> {
  /** What its rows are called in the log. */
  readonly name: string;
  /** How many attempts there may be at the same time. */
  readonly most: number;
  /** Whether there is anything to send with. */
  isUsable(): boolean;
  /**
   * Takes rows whose time has come, at most so many, for as long as an attempt may take: no other process gets them until then,
   * and any does where this one dies.
   *
   * @param underWay rows of this process that are being sent, or were and could not be settled yet; none of them is taken
   */
  claim(free: number, underWay: readonly Row[]): Promise<readonly Row[]>;
  /** Resolves when a row was taken by whom it is for. */
  send(row: Row): Promise<void>;
  /** Notes that rows were sent, all of them or none. */
  settle(rows: readonly Row[]): Promise<void>;
  /** Notes that a row was not sent, and when it is tried again, if ever. Returns whether others are worth a try at once. */
  putOff(row: Row, error: unknown): Promise<boolean>;
}

// What nothing woke it for is sent within a second too.
const POLL_EVERY_MS = 500;
// So long after one look at the table there is no other, whatever wakes it: what comes meanwhile is one statement. Longer where
// nothing was found, since most of what wakes it is nothing to send.
const PAUSE_MS = 10;
const PAUSE_AFTER_NOTHING_MS = 100;

/**
 * Sends the rows of an outbox, from any number of processes: each at least once, and again only where what took it could not be
 * noted. It looks twice a second and when it is woken, so that nothing is lost where a notification is.
 */
export class OutboxSender<Row extends OutboxRow> {
  private readonly logger = new Logger(OutboxSender.name);
  // Sent, but that is not noted yet.
  private readonly sent = new Map<string, Row>();
  private readonly underWay = new Map<Row, Promise<void>>();
  private settling: Promise<void> = Promise.resolve();
  private nextSettling: Promise<void> | null = null;
  private polling: Promise<unknown> | null = null;
  private pause: NodeJS.Timeout | undefined;
  private timer: NodeJS.Timeout | undefined;
  private isStopping = false;
  private isWoken = false;

  constructor(private readonly table: OutboxTable<Row>) {}

  start(): void {
    this.timer = setInterval(() => this.wake(), POLL_EVERY_MS).unref();
  }

  /** Resolves when what was under way has been sent or put off. */
  async stop(): Promise<void> {
    this.isStopping = true;
    clearInterval(this.timer);
    clearTimeout(this.pause);
    await this.polling;
    await Promise.all(this.underWay.values());
  }

  /** There may be rows to send. */
  wake(): void {
    if (this.polling || this.pause) {
      this.isWoken = true;
      return;
    }
    this.isWoken = false;
    this.polling = this.startSome().then((count) => {
      this.polling = null;
      this.pause = setTimeout(
        () => {
          this.pause = undefined;
          if (this.isWoken) this.wake();
        },
        count > 0 ? PAUSE_MS : PAUSE_AFTER_NOTHING_MS,
      ).unref();
    });
  }

  /** Starts attempts for rows that wait, and returns how many. What they leave is looked for when one of them is over. */
  private async startSome(): Promise<number> {
    try {
      await this.settleSent();
      const free = this.table.most - this.underWay.size;
      if (free <= 0 || this.isStopping || !this.table.isUsable()) {
        return 0;
      }
      const rows = await this.table.claim(free, [...new Set([...this.underWay.keys(), ...this.sent.values()])]);
      for (const row of rows) {
        this.underWay.set(row, this.attempt(row));
      }
      return rows.length;
    } catch (error) {
      this.logger.warn(`Could not send what is in the outbox (${this.table.name}), trying again: ${String(error)}`);
      return 0;
    }
  }

  private async attempt(row: Row): Promise<void> {
    const areOthersWorthTrying = await this.sendOnce(row);
    this.underWay.delete(row);
    if (areOthersWorthTrying) this.wake();
  }

  private async sendOnce(row: Row): Promise<boolean> {
    try {
      await this.table.send(row);
      this.sent.set(row.id, row);
      await this.settleSent();
      return true;
    } catch (error) {
      if (this.sent.has(row.id)) {
        // Only noting it failed: that is tried again, and nothing is sent twice.
        return false;
      }
      return this.table.putOff(row, error).catch((failure: unknown) => {
        this.logger.warn(`Could not note what became of ${this.table.name} ${row.id}: ${String(failure)}`);
        return false;
      });
    }
  }

  /** Notes all that was sent. While one statement is under way, what is sent meanwhile waits for the next. */
  private settleSent(): Promise<void> {
    this.nextSettling ??= this.settling.then(() => {
      this.nextSettling = null;
      const settled = this.settleNow();
      this.settling = settled.catch(() => undefined);
      return settled;
    });
    return this.nextSettling;
  }

  private async settleNow(): Promise<void> {
    const rows = [...this.sent.values()];
    if (rows.length > 0) {
      await this.table.settle(rows);
      for (const { id } of rows) this.sent.delete(id);
    }
  }
}
