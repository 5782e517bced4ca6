import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { BehaviorSubject, distinctUntilChanged } from 'rxjs';
import type { CheckedCaller } from '../sessions/check/session-checker.js';
import { SessionFeed } from './session-feed.js';
import { SessionNewsRepository } from './session-news.repository.js';

const CHECKED_EVERY_MS = 30_000;
// Expiry is noticed, and a check that failed is tried again, within this.
const LOOKED_AT_EVERY_MS = 250;
// So that an end of which no notification came is noticed within a second too.
const LOOKED_FOR_EVERY_MS = 500;

/** How a session ended: the reason of an aborted signal of {@link SessionLifetime}. */
export interface SessionEnd {
  /** A revocation reason, or `expired`. */
  readonly reason: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Of the line in the audit trail, where it is known. */
  readonly eventId: string | null;
}

/** An eye on one session. */
export interface SessionWatch {
  /** Aborted with a {@link SessionEnd} within a second after the session ended, however and wherever. */
  readonly signal: AbortSignal;
  /** To be called once, when whatever the session had open is closed: nobody needs to watch for its sake any more. */
  readonly release: () => void;
}

interface Watched {
  readonly controller: AbortController;
  holders: number;
  /** When the session ends unless it is refreshed, by this process's monotonic clock. */
  endsAtMs: number;
}

/**
 * Tells whatever stays open for a session, such as a socket or a long answer, that the session is over. A guard can
 * only ask when something begins.
 *
 * The end comes as news, which is notified and, twice a second, looked for in the audit trail. News alone is never
 * trusted: all watched sessions are checked in one shared query whenever some may have been missed, every half a minute
 * besides, and each when its time is up.
 */
@Injectable()
export class SessionLifetime implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(SessionLifetime.name);
  private readonly watched = new Map<string, Watched>();
  private readonly doubtful = new Set<string>();
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly sure = new BehaviorSubject(false);
  private isListening = false;
  private isAnswered = true;
  private isAsking = false;

  /** False while ends may be noticed late: the store cannot be reached, or sends no news. */
  readonly isSure = this.sure.pipe(distinctUntilChanged());

  constructor(
    private readonly feed: SessionFeed,
    private readonly sessions: SessionNewsRepository,
  ) {
    feed.news.subscribe(({ type, sessionId, reason, at, eventId }) => {
      if (type === 'session_revoked') {
        this.end(sessionId, { reason: reason ?? '', at, eventId });
      }
    });
    feed.isListening.subscribe((isListening) => {
      this.isListening = isListening;
      this.tellWhetherSure();
      this.doubt(isListening ? this.watched.keys() : []);
    });
  }

  onApplicationBootstrap(): void {
    this.timers.push(
      setInterval(() => this.doubt(this.watched.keys()), CHECKED_EVERY_MS).unref(),
      setInterval(() => this.doubt(this.overdue()), LOOKED_AT_EVERY_MS).unref(),
      setInterval(() => void this.look(), LOOKED_FOR_EVERY_MS).unref(),
    );
  }

  onApplicationShutdown(): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  /**
   * Watches the session of a caller whom a guard let in, or {@link SessionChecker.require} found. Where it ended in
   * between, the signal aborts at once.
   */
  watch({ sessionId, session, readAt }: CheckedCaller): SessionWatch {
    const watched = this.watched.get(sessionId) ?? {
      controller: new AbortController(),
      holders: 0,
      endsAtMs:
        performance.now() + Math.min(session.idleExpiresAt.getTime(), session.expiresAt.getTime()) - readAt.getTime(),
    };
    watched.holders++;
    this.watched.set(sessionId, watched);
    // News of an end between the caller's check and this line has passed by.
    this.doubt([sessionId]);
    let isHeld = true;
    return {
      signal: watched.controller.signal,
      release: () => {
        if (isHeld) {
          isHeld = false;
          watched.holders--;
          if (watched.holders === 0 && this.watched.get(sessionId) === watched) {
            this.watched.delete(sessionId);
          }
        }
      },
    };
  }

  private async look(): Promise<void> {
    if (this.watched.size === 0) {
      return;
    }
    try {
      await this.feed.look();
    } catch {
      this.doubt(this.watched.keys());
    }
  }

  private *overdue(): Iterable<string> {
    const now = performance.now();
    for (const [id, { endsAtMs }] of this.watched) {
      if (endsAtMs <= now) yield id;
    }
  }

  /** Asks the database about these, together with all others in doubt. */
  private doubt(ids: Iterable<string>): void {
    for (const id of ids) this.doubtful.add(id);
    if (this.doubtful.size > 0 && !this.isAsking) {
      void this.ask();
    }
  }

  private async ask(): Promise<void> {
    this.isAsking = true;
    // Whoever comes in the same turn of the event loop is asked about together.
    await Promise.resolve();
    const ids = [...this.doubtful].filter((id) => this.watched.has(id));
    this.doubtful.clear();
    try {
      for (const { id, reason, at, remainingMs } of await this.sessions.findEndings(ids)) {
        const watched = this.watched.get(id);
        if (watched && reason !== null) {
          this.end(id, { reason, at, eventId: null });
        } else if (watched) {
          watched.endsAtMs = performance.now() + remainingMs;
        }
      }
      this.isAnswered = true;
    } catch (error) {
      if (this.isAnswered) {
        this.logger.warn(`Cannot check ${ids.length} watched sessions, and go on trying: ${String(error)}`);
      }
      this.isAnswered = false;
      for (const id of ids) this.doubtful.add(id);
    }
    this.isAsking = false;
    this.tellWhetherSure();
    if (this.isAnswered) {
      this.doubt([]);
    }
  }

  private end(sessionId: string, end: SessionEnd): void {
    const watched = this.watched.get(sessionId);
    this.watched.delete(sessionId);
    watched?.controller.abort(end);
  }

  private tellWhetherSure(): void {
    this.sure.next(this.isListening && this.isAnswered);
  }
}
