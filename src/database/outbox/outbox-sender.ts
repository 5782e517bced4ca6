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
  /** Notes that a row was sent. */
  settle(row: Row): Promise<void>;
  /** Notes that a row was not sent, and when it is tried again, if ever. Returns whether others are worth a try at once. */
  putOff(row: Row, error: unknown): Promise<boolean>;
}

// What nothing woke it for is sent within a second too.
const POLL_EVERY_MS = 500;

/**
 * Sends the rows of an outbox, from any number of processes: each at least once, and again only where what took it could not be
 * noted. It looks twice a second and when it is woken, so that nothing is lost where a notification is.
 */
export class OutboxSender<Row extends OutboxRow> {
  private readonly logger = new Logger(OutboxSender.name);
  // Sent, but that is not noted yet.
  private readonly sent = new Map<string, Row>();
  private readonly underWay = new Map<Row, Promise<void>>();
  private polling: Promise<void> | null = null;
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
    await this.polling;
    await Promise.all(this.underWay.values());
  }

  /** There may be rows to send. */
  wake(): void {
    if (this.polling) {
      this.isWoken = true;
      return;
    }
    this.isWoken = false;
    this.polling = this.startAll().finally(() => {
      this.polling = null;
      if (this.isWoken) this.wake();
    });
  }

  /** Starts as many attempts as may be, and there are rows for. */
  private async startAll(): Promise<void> {
    try {
      for (const row of this.sent.values()) {
        await this.settle(row);
      }
      while (this.table.isUsable() && !this.isStopping) {
        const free = this.table.most - this.underWay.size;
        const rows = free > 0 ? await this.table.claim(free, [...this.underWay.keys(), ...this.sent.values()]) : [];
        if (rows.length === 0) {
          return;
        }
        for (const row of rows) {
          this.underWay.set(row, this.attempt(row));
        }
      }
    } catch (error) {
      this.logger.warn(`Could not send what is in the outbox (${this.table.name}), trying again: ${String(error)}`);
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
      await this.settle(row);
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

  private async settle(row: Row): Promise<void> {
    await this.table.settle(row);
    this.sent.delete(row.id);
  }
}
