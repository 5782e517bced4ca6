import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';

// A use must be known within five seconds, or a refresh token that was already followed by a used one still passes.
const WRITE_EVERY_MS = 1000;

/** Writes once a second what requests have noted, outside the requests: one write at a time, and a last one at shutdown. */
export abstract class PeriodicWrites implements OnApplicationBootstrap, OnApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> = Promise.resolve();

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.writeNext(), WRITE_EVERY_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.writeNext();
  }

  /** Writes what was noted since, and keeps what cannot be written. Never rejects. */
  protected abstract write(): Promise<void>;

  private writeNext(): Promise<void> {
    this.writing = this.writing.then(() => this.write());
    return this.writing;
  }
}
