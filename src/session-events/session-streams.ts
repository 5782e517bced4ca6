import { Injectable, type MessageEvent, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { EMPTY, Observable } from 'rxjs';
import type { Caller } from '../sessions/caller.js';
import { AppConfig } from '../config/config.js';
import { TooManyRequestsError } from '../problems/problem.js';
import type { SessionEvent, SessionEventKey } from '../sessions/session-event.js';
import { openStreams } from './session-events.measurements.js';
import { SessionFeed } from './session-feed.js';
import { SessionStream } from './session-stream.js';
import { SessionWatcher } from './session-watcher.js';

const PING_EVERY_MS = 15_000;
const FOLLOWED_EVERY_MS = 240_000;
const AGAIN_AFTER_MS = 60_000;

/** The open event streams of this instance: how many there are, and what all of them get. */
@Injectable()
export class SessionStreams implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly ofUser = new Map<string, Set<SessionStream>>();
  private readonly countOfSession = new Map<string, number>();
  private readonly timers: NodeJS.Timeout[] = [];
  private isPrompt = false;
  private isClosing = false;
  private lostAtMs: number | null = null;

  constructor(
    private readonly feed: SessionFeed,
    private readonly watcher: SessionWatcher,
    private readonly config: AppConfig,
  ) {
    feed.events.subscribe((event) => this.send(event));
    feed.isListening.subscribe((isListening) => {
      if (!isListening) {
        this.lostAtMs ??= performance.now();
      } else if (this.lostAtMs !== null) {
        void this.catchUp(this.lostAtMs);
        this.lostAtMs = null;
      }
    });
    watcher.isPrompt.subscribe((isPrompt) => {
      this.isPrompt = isPrompt;
      this.ping();
    });
  }

  onApplicationBootstrap(): void {
    this.timers.push(
      setInterval(() => this.ping(), PING_EVERY_MS).unref(),
      setInterval(() => void this.follow([...this.ofUser.keys()]), FOLLOWED_EVERY_MS).unref(),
    );
  }

  onModuleDestroy(): void {
    this.isClosing = true;
    for (const timer of this.timers) clearInterval(timer);
    for (const stream of this.all()) stream.complete();
  }

  /**
   * A stream of what happens to the sessions of the caller's account. It ends with their own session, after a last
   * `session.revoked`, or once the key of their token was revoked: then the client connects again, with another token.
   * Throws {@link TooManyRequestsError} where the session has as many open as it may.
   *
   * @param lastEventId where an earlier stream was cut, to be sent what was missed since
   * @param closed aborted when the client is gone, whether or not the stream is subscribed to
   */
  open(caller: Caller, lastEventId: string | undefined, closed: AbortSignal): Observable<MessageEvent> {
    // The client left while the guards ran: an abort that has happened is not reported again, and nothing will subscribe.
    if (closed.aborted) {
      return EMPTY;
    }
    this.count(caller.sessionId, closed);
    return new Observable((client) => {
      const stream = new SessionStream(caller, this.watcher.watch(caller), client);
      this.add(stream);
      void this.begin(stream, lastEventId);
      if (this.isClosing) {
        stream.complete();
      }
      return () => {
        stream.release();
        this.remove(stream);
      };
    });
  }

  private count(sessionId: string, closed: AbortSignal): void {
    const count = this.countOfSession.get(sessionId) ?? 0;
    if (count >= this.config.maxStreamsPerSession) {
      throw new TooManyRequestsError(AGAIN_AFTER_MS, this.config.settingToName('MAX_STREAMS_PER_SESSION'));
    }
    this.countOfSession.set(sessionId, count + 1);
    closed.addEventListener('abort', () => {
      const left = (this.countOfSession.get(sessionId) ?? 1) - 1;
      if (left > 0) this.countOfSession.set(sessionId, left);
      else this.countOfSession.delete(sessionId);
    });
  }

  private async begin(stream: SessionStream, lastEventId: string | undefined): Promise<void> {
    const before = await this.follow([stream.caller.userId]);
    if (lastEventId !== undefined) {
      const missed = await this.feed.findMissed(stream.caller, lastEventId, before);
      if (missed) stream.replay(missed);
      else stream.resync();
    }
    stream.begin(before, this.state);
  }

  private get state(): 'ping' | 'degraded' {
    return this.isPrompt ? 'ping' : 'degraded';
  }

  private *all(): Iterable<SessionStream> {
    for (const streams of this.ofUser.values()) yield* streams;
  }

  private add(stream: SessionStream): void {
    const { userId } = stream.caller;
    const streams = this.ofUser.get(userId) ?? new Set();
    this.ofUser.set(userId, streams.add(stream));
    openStreams.value++;
  }

  private remove(stream: SessionStream): void {
    const { userId } = stream.caller;
    const streams = this.ofUser.get(userId);
    if (streams?.delete(stream)) {
      openStreams.value--;
    }
    if (streams?.size === 0) {
      this.ofUser.delete(userId);
    }
  }

  /** Without, events come a little later and refreshes not at all, so nothing fails for it. */
  private async follow(userIds: readonly string[]): Promise<SessionEventKey[]> {
    return userIds.length === 0 ? [] : this.feed.follow(userIds).catch(() => []);
  }

  private ping(): void {
    for (const stream of this.all()) stream.comment(this.state);
  }

  private send(event: SessionEvent): void {
    for (const stream of this.ofUser.get(event.userId) ?? []) stream.send(event);
  }

  /** Sends what happened while nothing was received; where that is too much or cannot be found, that something did. */
  private async catchUp(lostAtMs: number): Promise<void> {
    const userIds = [...this.ofUser.keys()];
    if (userIds.length === 0) {
      return;
    }
    // A server that crashed has forgotten.
    await this.follow(userIds);
    if (!(await this.feed.catchUp(userIds, (performance.now() - lostAtMs) / 1000))) {
      for (const stream of this.all()) stream.resync();
    }
  }
}
