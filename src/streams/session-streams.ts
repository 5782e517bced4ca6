import { Injectable, type MessageEvent, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { EMPTY, Observable } from 'rxjs';
import { TooManyRequestsError } from '../common/problem.js';
import { AppConfig } from '../config/config.js';
import type { CheckedCaller } from '../sessions/session-checker.js';
import { eventIdOf, SessionFeed } from '../sessions/session-feed.js';
import { type SessionEnd, SessionLifetime } from '../sessions/session-lifetime.js';
import type { SessionNews } from '../sessions/session-news.js';

const PING_EVERY_MS = 15_000;
const REFRESHES_ASKED_EVERY_MS = 240_000;
const AGAIN_AFTER_MS = 60_000;
const TOLD_MOST = 10_000;

interface Stream {
  readonly sessionId: string;
  tell(news: SessionNews): void;
  remark(comment: string): void;
  resync(): void;
  close(): void;
}

/** The open event streams of this instance, and what they are told. */
@Injectable()
export class SessionStreams implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly ofUser = new Map<string, Set<Stream>>();
  private readonly countOfSession = new Map<string, number>();
  // What was told, so that catching up does not tell it again.
  private readonly told = new LRUCache<string, true>({ max: TOLD_MOST });
  private readonly timers: NodeJS.Timeout[] = [];
  private isSure = false;
  private isClosing = false;
  private lostAtMs: number | null = null;

  constructor(
    private readonly feed: SessionFeed,
    private readonly lifetime: SessionLifetime,
    private readonly config: AppConfig,
  ) {
    feed.news.subscribe((news) => this.tell(news));
    feed.isListening.subscribe((isListening) => {
      if (!isListening) {
        this.lostAtMs ??= performance.now();
      } else if (this.lostAtMs !== null) {
        void this.catchUp(this.lostAtMs);
        this.lostAtMs = null;
      }
    });
    lifetime.isSure.subscribe((isSure) => {
      this.isSure = isSure;
      this.remark();
    });
  }

  /** How many are open. */
  get count(): number {
    return [...this.ofUser.values()].reduce((sum, { size }) => sum + size, 0);
  }

  onApplicationBootstrap(): void {
    this.timers.push(
      setInterval(() => this.remark(), PING_EVERY_MS).unref(),
      setInterval(() => void this.askForRefreshes([...this.ofUser.keys()]), REFRESHES_ASKED_EVERY_MS).unref(),
    );
  }

  /** Clients connect again, to whoever goes on serving. */
  onModuleDestroy(): void {
    this.isClosing = true;
    for (const timer of this.timers) clearInterval(timer);
    for (const stream of this.all()) stream.close();
  }

  /**
   * A stream of what happens to the sessions of the caller's account. It ends with their own session, after a last
   * `session.revoked`. Throws {@link TooManyRequestsError} where the session has as many open as it may.
   *
   * @param lastEventId where an earlier stream was cut, to be told what was missed since
   * @param closed aborted when the client is gone, whether or not anybody subscribed
   */
  open(caller: CheckedCaller, lastEventId: string | undefined, closed: AbortSignal): Observable<MessageEvent> {
    // Left while the guards were asking: what is aborted already never says so again, and nobody will subscribe.
    if (closed.aborted) {
      return EMPTY;
    }
    const { sessionId } = caller;
    const count = this.countOfSession.get(sessionId) ?? 0;
    if (count >= this.config.maxStreamsPerSession) {
      throw new TooManyRequestsError(AGAIN_AFTER_MS);
    }
    this.countOfSession.set(sessionId, count + 1);
    closed.addEventListener('abort', () => {
      const left = (this.countOfSession.get(sessionId) ?? 1) - 1;
      if (left > 0) this.countOfSession.set(sessionId, left);
      else this.countOfSession.delete(sessionId);
    });

    return new Observable((subscriber) => {
      const { signal, release } = this.lifetime.watch(caller);
      // While what was missed is looked up, what happens meanwhile waits behind it; some of it is both.
      let waiting: SessionNews[] | null = lastEventId === undefined ? null : [];
      const lookedUp = new Set<string | null>();
      const pass = (news: SessionNews) => {
        if (!lookedUp.delete(news.eventId)) subscriber.next(toMessage(news));
      };
      const stream: Stream = {
        sessionId,
        tell: (news) => (waiting ? waiting.push(news) : pass(news)),
        remark: (comment) => subscriber.next({ comment }),
        resync: () => subscriber.next({ type: 'resync', id: String(caller.readAt.getTime()), data: {} }),
        close: () => subscriber.complete(),
      };
      const finish = () => {
        const end: SessionEnd = signal.reason;
        subscriber.next(toMessage({ type: 'session_revoked', userId: caller.userId, sessionId, ...end }));
        subscriber.complete();
      };
      signal.addEventListener('abort', finish);
      this.add(caller.userId, stream);
      // The first line says that nothing is missed from here on.
      void this.askForRefreshes([caller.userId]).then(() => stream.remark(this.state));
      if (lastEventId !== undefined) {
        void this.feed.findAfter(caller.userId, lastEventId, caller.readAt).then((missed) => {
          if (missed === null) stream.resync();
          for (const news of missed ?? []) {
            subscriber.next(toMessage(news));
            if (news.eventId !== null) lookedUp.add(news.eventId);
          }
          const late = waiting ?? [];
          waiting = null;
          late.forEach(pass);
        });
      }
      if (this.isClosing) {
        stream.close();
      }
      return () => {
        signal.removeEventListener('abort', finish);
        release();
        this.remove(caller.userId, stream);
      };
    });
  }

  private get state(): 'ping' | 'degraded' {
    return this.isSure ? 'ping' : 'degraded';
  }

  private *all(): Iterable<Stream> {
    for (const streams of this.ofUser.values()) yield* streams;
  }

  private add(userId: string, stream: Stream): void {
    const streams = this.ofUser.get(userId) ?? new Set();
    this.ofUser.set(userId, streams.add(stream));
  }

  private remove(userId: string, stream: Stream): void {
    const streams = this.ofUser.get(userId);
    streams?.delete(stream);
    if (streams?.size === 0) {
      this.ofUser.delete(userId);
    }
  }

  /** A refresh that is not told is only a last-seen time that is a little old, so nothing fails for it. */
  private async askForRefreshes(userIds: readonly string[]): Promise<void> {
    if (userIds.length > 0) {
      await this.feed.tellRefreshesOf(userIds).catch(() => undefined);
    }
  }

  private remark(): void {
    for (const stream of this.all()) stream.remark(this.state);
  }

  private tell(news: SessionNews): void {
    const streams = this.ofUser.get(news.userId);
    if (!streams) {
      return;
    }
    if (news.eventId !== null) {
      this.told.set(news.eventId, true);
    }
    for (const stream of streams) {
      // Of the end of its own session a stream hears from the session's watch, which never misses it.
      if (news.type !== 'session_revoked' || news.sessionId !== stream.sessionId) {
        stream.tell(news);
      }
    }
  }

  /** Tells what happened while nothing was heard; where that is too much or cannot be found, that something did. */
  private async catchUp(lostAtMs: number): Promise<void> {
    const userIds = [...this.ofUser.keys()];
    if (userIds.length === 0) {
      return;
    }
    // A server that crashed has forgotten.
    await this.askForRefreshes(userIds);
    const missed = await this.feed.findSince(userIds, (performance.now() - lostAtMs) / 1000);
    if (missed === null) {
      for (const stream of this.all()) stream.resync();
      return;
    }
    for (const news of missed) {
      if (news.eventId === null || !this.told.has(news.eventId)) {
        this.tell(news);
      }
    }
  }
}

function toMessage({ type, eventId, sessionId, reason, at }: SessionNews): MessageEvent {
  return {
    type: type.replace('_', '.'),
    id: eventIdOf({ at, eventId }),
    data: { id: sessionId, ...(type === 'session_revoked' && { reason }), at: new Date(at).toISOString() },
  };
}
