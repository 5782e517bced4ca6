import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { BehaviorSubject, distinctUntilChanged } from 'rxjs';
import { SigningKeys } from '../keys/signing-keys.js';
import type { Caller } from '../sessions/caller.js';
import { SessionEventsRepository } from './session-events.repository.js';
import { SessionFeed } from './session-feed.js';

const ALL_CHECKED_EVERY_MS = 30_000;
// Expiry is noticed, and a check that failed is tried again, within this.
const OVERDUE_CHECKED_EVERY_MS = 250;
// So that an end that was not notified is noticed within a second too.
const POLL_EVERY_MS = 250;

/** How a session ended: the reason of an aborted signal of {@link SessionWatcher}. */
export class SessionEnd {
  constructor(
    /** A revocation reason, or `expired`. */
    readonly reason: string,
    /** Milliseconds since the epoch. */
    readonly at: number,
    /** Of the row in the audit trail, where it is known. */
    readonly eventId: string | null,
  ) {}
}

/** The other reason of such a signal: the key of the access token was revoked. The session goes on, with another token. */
class KeyRevoked {
  readonly reason = 'key_revoked';
}

/** One holder's watch over a session. */
export interface SessionWatch {
  /**
   * Aborted with a {@link SessionEnd} within a second after the session ended, however and wherever; with a
   * {@link KeyRevoked} after the key of the caller's token was revoked, within a minute at most.
   */
  readonly signal: AbortSignal;
  /** To be called once, when what the session had open is closed: it is watched no longer for the sake of this holder. */
  readonly release: () => void;
}

interface Watched {
  /** One for each key that signed a token of a holder. */
  readonly controllers: Map<string | null, AbortController>;
  holders: number;
  /** When the session ends unless it is refreshed, by this process's monotonic clock. */
  endsAtMs: number;
}

/**
 * Ends what stays open for a session, such as a socket or a long answer, together with the session. A guard can only
 * ask when something begins.
 *
 * The end comes as an event, which is notified and, four times a second, searched for in the audit trail. Events alone are
 * never trusted: all watched sessions are checked in one shared query whenever some may have been missed or an incident
 * began, every half a minute besides, and each when its time is up.
 *
 * It ends too, though the session goes on, when the key of the token is revoked that opened it: that may have been forged.
 */
@Injectable()
export class SessionWatcher implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(SessionWatcher.name);
  private readonly watched = new Map<string, Watched>();
  private readonly unchecked = new Set<string>();
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly prompt = new BehaviorSubject(false);
  private isListening = false;
  private isAnswered = true;
  private isChecking = false;

  /** False while ends may be noticed late: the store cannot be reached, or notifies nothing. */
  readonly isPrompt = this.prompt.pipe(distinctUntilChanged());

  constructor(
    private readonly feed: SessionFeed,
    private readonly repository: SessionEventsRepository,
    private readonly keys: SigningKeys,
  ) {
    keys.revoked.subscribe(() => {
      for (const watched of this.watched.values()) this.endOfRevokedKeys(watched);
    });
    feed.events.subscribe(({ type, sessionId, reason, at, eventId }) => {
      if (type === 'session_revoked') {
        this.end(sessionId, new SessionEnd(reason ?? '', at, eventId));
      }
    });
    feed.incidents.subscribe(() => this.check(this.watched.keys()));
    feed.isListening.subscribe((isListening) => {
      this.isListening = isListening;
      this.updatePrompt();
      this.check(isListening ? this.watched.keys() : []);
    });
  }

  onApplicationBootstrap(): void {
    this.timers.push(
      setInterval(() => this.check(this.watched.keys()), ALL_CHECKED_EVERY_MS).unref(),
      setInterval(() => this.check(this.overdue()), OVERDUE_CHECKED_EVERY_MS).unref(),
      setInterval(() => void this.poll(), POLL_EVERY_MS).unref(),
    );
  }

  onApplicationShutdown(): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  /**
   * Watches the session of a caller whom a guard accepted, or {@link SessionChecker.require} found. Where it ended in
   * between, the signal aborts at once.
   */
  watch({ sessionId, session, readAt, keyId }: Caller): SessionWatch {
    const watched = this.watched.get(sessionId) ?? {
      controllers: new Map(),
      holders: 0,
      endsAtMs:
        performance.now() + Math.min(session.idleExpiresAt.getTime(), session.expiresAt.getTime()) - readAt.getTime(),
    };
    const controller = watched.controllers.get(keyId) ?? new AbortController();
    watched.controllers.set(keyId, controller);
    watched.holders++;
    this.watched.set(sessionId, watched);
    // The event of an end between the caller's check and this line has passed by, and so has that of a revoked key. Later
    // in this turn of the event loop: an abort that has happened is not reported to who listens next.
    this.check([sessionId]);
    queueMicrotask(() => this.endOfRevokedKeys(watched));
    let isHeld = true;
    return {
      signal: controller.signal,
      release: () => {
        if (isHeld) {
          isHeld = false;
          this.release(sessionId, watched);
        }
      },
    };
  }

  private release(sessionId: string, watched: Watched): void {
    watched.holders--;
    // Once it has ended, the session may be watched anew.
    if (watched.holders === 0 && this.watched.get(sessionId) === watched) {
      this.watched.delete(sessionId);
    }
  }

  private async poll(): Promise<void> {
    if (this.watched.size === 0) {
      return;
    }
    try {
      await this.feed.poll();
    } catch {
      this.check(this.watched.keys());
    }
  }

  private *overdue(): Iterable<string> {
    const now = performance.now();
    for (const [id, { endsAtMs }] of this.watched) {
      if (endsAtMs <= now) yield id;
    }
  }

  /** Asks the database about these, together with all others that are yet to be checked. */
  private check(ids: Iterable<string>): void {
    for (const id of ids) this.unchecked.add(id);
    if (this.unchecked.size > 0 && !this.isChecking) {
      void this.checkAll();
    }
  }

  private async checkAll(): Promise<void> {
    this.isChecking = true;
    // What comes in the same turn of the event loop shares the query.
    await Promise.resolve();
    const ids = [...this.unchecked].filter((id) => this.watched.has(id));
    this.unchecked.clear();
    try {
      for (const { id, reason, at, remainingMs } of await this.repository.findStandings(ids)) {
        const watched = this.watched.get(id);
        if (watched && reason !== null) {
          this.end(id, new SessionEnd(reason, at, null));
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
      for (const id of ids) this.unchecked.add(id);
    }
    this.isChecking = false;
    this.updatePrompt();
    if (this.isAnswered) {
      this.check([]);
    }
  }

  private end(sessionId: string, end: SessionEnd): void {
    const watched = this.watched.get(sessionId);
    this.watched.delete(sessionId);
    for (const controller of watched?.controllers.values() ?? []) controller.abort(end);
  }

  private endOfRevokedKeys({ controllers }: Watched): void {
    for (const [keyId, controller] of controllers) {
      if (!this.keys.isKnown(keyId)) {
        controllers.delete(keyId);
        controller.abort(new KeyRevoked());
      }
    }
  }

  private updatePrompt(): void {
    this.prompt.next(this.isListening && this.isAnswered);
  }
}
