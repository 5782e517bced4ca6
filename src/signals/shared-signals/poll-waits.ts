import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Notifications } from '../../database/notifications.js';
import { TooManyRequestsError } from '../../problems/problem.js';
import { SESSION_CHANNEL } from '../../sessions/session-event.js';
import { StreamsRepository } from './streams.repository.js';

const LOOK_EVERY_MS = 500;
const AGAIN_AFTER_MS = 1000;
/** So many polls of one stream may wait here. */
const MOST_OF_STREAM = 10;

interface Wait {
  readonly streamId: string;
  end(): void;
  /** It could not be looked. */
  fail(error: unknown): void;
}

/**
 * The polls that wait at this instance. One statement looks for all of them, twice a second and when something is notified, so that
 * they cost the database no more than one does.
 */
@Injectable()
export class PollWaits implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly waits = new Set<Wait>();
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | null = null;
  private isWoken = false;
  private isStopping = false;

  constructor(
    private readonly streams: StreamsRepository,
    notifications: Notifications,
  ) {
    notifications.listen({
      channel: SESSION_CHANNEL,
      received: () => this.look(),
      listening: () => this.look(),
      lost: () => undefined,
    });
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.look(), LOOK_EVERY_MS).unref();
  }

  /** Ends all of them: the server waits for its requests. */
  onModuleDestroy(): void {
    this.isStopping = true;
    clearInterval(this.timer);
    for (const wait of this.waits) wait.end();
  }

  get isOver(): boolean {
    return this.isStopping;
  }

  /**
   * Resolves when something may wait in the stream, when the time is over or the client is gone, and when the service stops. Throws
   * {@link TooManyRequestsError} where as many polls of the stream wait as may, and what the database throws.
   */
  async wait(streamId: string, milliseconds: number, gone: AbortSignal): Promise<void> {
    if (this.isStopping || gone.aborted) {
      return;
    }
    if ([...this.waits].filter((wait) => wait.streamId === streamId).length >= MOST_OF_STREAM) {
      throw new TooManyRequestsError(AGAIN_AFTER_MS);
    }
    const clean: (() => void)[] = [];
    try {
      await new Promise<void>((resolve, reject) => {
        const wait = { streamId, end: resolve, fail: reject };
        const timer = setTimeout(resolve, milliseconds);
        const leave = () => resolve();
        gone.addEventListener('abort', leave);
        this.waits.add(wait);
        clean.push(
          () => clearTimeout(timer),
          () => gone.removeEventListener('abort', leave),
          () => this.waits.delete(wait),
        );
      });
    } finally {
      for (const undo of clean) undo();
    }
  }

  private look(): void {
    if (this.looking) {
      this.isWoken = true;
      return;
    }
    this.isWoken = false;
    this.looking = this.endThoseWithEvents().finally(() => {
      this.looking = null;
      if (this.isWoken) this.look();
    });
  }

  private async endThoseWithEvents(): Promise<void> {
    const looked = [...this.waits];
    if (looked.length === 0) {
      return;
    }
    try {
      const found = new Set(await this.streams.findWaiting([...new Set(looked.map(({ streamId }) => streamId))]));
      for (const wait of looked) if (found.has(wait.streamId)) wait.end();
    } catch (error) {
      for (const wait of looked) wait.fail(error);
    }
  }
}
