import type { MessageEvent } from '@nestjs/common';
import type { Subscriber } from 'rxjs';
import type { Caller } from '../sessions/caller.js';
import type { SessionEvent, SessionEventKey } from '../sessions/session-event.js';
import { eventIdOf } from './received-events.js';
import { SessionEnd, type SessionWatch } from './session-watcher.js';

/**
 * The stream of one client, which ends with its session. What happens before {@link begin} waits behind what an earlier
 * stream of the client missed.
 */
export class SessionStream {
  private waiting: SessionEvent[] | null = [];
  // Events that the client is not to get, or not again, though they may be received yet.
  private readonly past = new Set<string>();

  constructor(
    readonly caller: Caller,
    private readonly watch: SessionWatch,
    private readonly client: Subscriber<MessageEvent>,
  ) {
    watch.signal.addEventListener('abort', this.finish);
  }

  /** Sends events that were missed. They may be among those that wait as well. */
  replay(missed: readonly SessionEvent[]): void {
    for (const event of missed) {
      this.pass(event);
      this.past.add(eventIdOf(event));
    }
  }

  /**
   * Sends what has waited, and from now on what happens.
   *
   * @param before what happened before the stream began, and may be received yet
   * @param comment the first line, which says that nothing is missed from here on
   */
  begin(before: readonly SessionEventKey[], comment: string): void {
    for (const event of before) this.past.add(eventIdOf(event));
    this.comment(comment);
    const waiting = this.waiting ?? [];
    this.waiting = null;
    for (const event of waiting) this.send(event);
  }

  send(event: SessionEvent): void {
    if (this.waiting) {
      this.waiting.push(event);
    } else if (!this.past.delete(eventIdOf(event))) {
      this.pass(event);
    }
  }

  comment(comment: string): void {
    this.client.next({ comment });
  }

  /** Says that something was missed, so that the client reads the list of its sessions again. */
  resync(): void {
    this.client.next({ type: 'resync', id: String(this.caller.readAt.getTime()), data: {} });
  }

  /** The client connects again, to an instance that goes on serving. */
  complete(): void {
    this.client.complete();
  }

  /** Lets the session go, once the stream is closed, however that came. */
  release(): void {
    this.watch.signal.removeEventListener('abort', this.finish);
    this.watch.release();
  }

  private pass(event: SessionEvent): void {
    // The end of its own session comes from the watch, which never misses it.
    if (event.type !== 'session_revoked' || event.sessionId !== this.caller.sessionId) {
      this.client.next(toMessage(event));
    }
  }

  private readonly finish = (): void => {
    const { userId, sessionId } = this.caller;
    const end: unknown = this.watch.signal.reason;
    if (end instanceof SessionEnd) {
      this.client.next(toMessage({ type: 'session_revoked', userId, sessionId, ...end }));
    }
    this.client.complete();
  };
}

function toMessage(event: SessionEvent): MessageEvent {
  const { type, sessionId, reason, at } = event;
  return {
    type: type.replace('_', '.'),
    id: eventIdOf(event),
    data: { id: sessionId, ...(type === 'session_revoked' && { reason }), at: new Date(at).toISOString() },
  };
}
