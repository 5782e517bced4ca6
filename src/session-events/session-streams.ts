import { Injectable, type MessageEvent, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { EMPTY, Observable } from 'rxjs';
import { TooManyRequestsError } from '../problems/problem.js';
import { AppConfig } from '../config/config.js';
import type { CheckedCaller } from '../sessions/check/session-checker.js';
import { openStreams } from './session-events.measurements.js';
import { eventIdOf, SessionFeed } from './session-feed.js';
import { type SessionEnd, SessionLifetime } from './session-lifetime.js';
import type { PastNews, SessionNews } from '../sessions/session-news.js';

const PING_EVERY_MS = 15_000;
const FOLLOWED_EVERY_MS = 240_000;
const AGAIN_AFTER_MS = 60_000;

interface Stream {
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

  onApplicationBootstrap(): void {
    this.timers.push(
      setInterval(() => this.remark(), PING_EVERY_MS).unref(),
      setInterval(() => void this.follow([...this.ofUser.keys()]), FOLLOWED_EVERY_MS).unref(),
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
      // While what was missed is looked up, what happens meanwhile waits behind it; some of it is both, and some of it
      // happened before the stream began.
      let waiting: SessionNews[] | null = [];
      const past = new Set<string>();
      const pass = (news: SessionNews) => {
        // Of the end of its own session a stream hears from the session's watch, which never misses it.
        const isOwnEnd = news.type === 'session_revoked' && news.sessionId === sessionId;
        if (!past.delete(eventIdOf(news)) && !isOwnEnd) subscriber.next(toMessage(news));
      };
      const stream: Stream = {
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
      const begin = async () => {
        const before = await this.follow([caller.userId]);
        if (lastEventId !== undefined) {
          const missed = await this.feed.findMissed(caller, lastEventId, before);
          if (missed === null) stream.resync();
          missed?.forEach(pass);
          missed?.forEach((news) => past.add(eventIdOf(news)));
        }
        for (const news of before) past.add(eventIdOf(news));
        // The first line says that nothing is missed from here on.
        stream.remark(this.state);
        const late = waiting ?? [];
        waiting = null;
        late.forEach(pass);
      };
      void begin();
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
    openStreams.value++;
  }

  private remove(userId: string, stream: Stream): void {
    const streams = this.ofUser.get(userId);
    if (streams?.delete(stream)) openStreams.value--;
    if (streams?.size === 0) {
      this.ofUser.delete(userId);
    }
  }

  /** Without, news comes a little later and a refresh not at all, so nothing fails for it. */
  private async follow(userIds: readonly string[]): Promise<PastNews[]> {
    return userIds.length === 0 ? [] : this.feed.follow(userIds).catch(() => []);
  }

  private remark(): void {
    for (const stream of this.all()) stream.remark(this.state);
  }

  private tell(news: SessionNews): void {
    for (const stream of this.ofUser.get(news.userId) ?? []) stream.tell(news);
  }

  /** Tells what happened while nothing was heard; where that is too much or cannot be found, that something did. */
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

function toMessage(news: SessionNews): MessageEvent {
  const { type, sessionId, reason, at } = news;
  return {
    type: type.replace('_', '.'),
    id: eventIdOf(news),
    data: { id: sessionId, ...(type === 'session_revoked' && { reason }), at: new Date(at).toISOString() },
  };
}
