import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { BehaviorSubject, Subject } from 'rxjs';
import { Notifications } from '../database/notifications.js';
import type { Time } from '../database/time.js';
import {
  INCIDENT_CHANNEL,
  isSessionEvent,
  SESSION_CHANNEL,
  type SessionEvent,
  type SessionEventKey,
} from '../sessions/session-event.js';
import { ReceivedEvents, OVERLAP_SECONDS, positionOf } from './received-events.js';
import { listening, listeningLost } from './session-events.measurements.js';
import { SessionEventsRepository } from './session-events.repository.js';

// Asked for again every few minutes, for as long as it is wanted.
const FOLLOWED_SECONDS = 900;
const MOST_AT_ONCE = 1000;
// After a longer pause, sessions are checked and streams catch up in another way.
const POLLED_SECONDS = 60;
// What is younger is on its way as a notification, and arrives in the order in which every instance receives it.
const LEFT_TO_NOTIFICATIONS_SECONDS = 0.2;
const RECENT_MOST = 10_000;
// Nearly every change commits in less than this, and is found by any search. One search in two goes back as far as the
// longest takes: where a thousand lines a second are written, that is ten thousand lines.
const BRIEF_OVERLAP_SECONDS = 1;
const RECEIVED_WITHIN_MS = 2000;
const RECEIVED_ASKED_EVERY_MS = 20;

/**
 * What happens to sessions on any instance, each event once. The instance that did it notifies all right after the
 * commit; and each searches the audit trail for it, since a notification may be lost: with its process, with the
 * connection, or because the database takes none.
 */
@Injectable()
export class SessionFeed {
  private readonly logger = new Logger(SessionFeed.name);
  private readonly subject = new Subject<SessionEvent>();
  private readonly listening = new BehaviorSubject(false);
  private readonly manyEnded = new Subject<void>();
  private incidentMark = '';
  private readonly received = new ReceivedEvents(2 * RECENT_MOST);
  private isPolling = false;
  private isBrief = false;
  private polledAtMs = performance.now();

  readonly events = this.subject.asObservable();
  /** Many sessions ended at once: of some no event says so, or not yet. */
  readonly incidents = this.manyEnded.asObservable();
  /** Whether notifications arrive. While they do not they are lost: what must not be missed is then read from the database. */
  readonly isListening = this.listening.asObservable();

  constructor(
    notifications: Notifications,
    private readonly repository: SessionEventsRepository,
  ) {
    notifications.listen({
      channel: SESSION_CHANNEL,
      received: (payload) => this.receive(payload),
      listening: () => {
        listening.value = 1;
        this.listening.next(true);
      },
      lost: () => {
        listening.value = 0;
        listeningLost.value++;
        this.listening.next(false);
      },
    });
    notifications.listen({
      channel: INCIDENT_CHANNEL,
      received: () => this.manyEnded.next(),
      // What is said of a channel is said of the connection, which they share.
      listening: () => undefined,
      lost: () => undefined,
    });
  }

  /**
   * What happens to these users' sessions is notified at once from the moment this resolves, for a quarter of an hour;
   * otherwise it is found by polling, and refreshes are not. Returns what happened before and may be received yet. Throws
   * what the driver throws.
   */
  follow(userIds: readonly string[]): Promise<SessionEventKey[]> {
    return this.repository.watch(userIds, FOLLOWED_SECONDS, OVERLAP_SECONDS);
  }

  /**
   * Searches for what was not notified. What it costs grows with what is written to the trail, not with how many follow.
   * Throws what the driver throws: then something may have been missed.
   */
  async poll(): Promise<void> {
    if (this.isPolling) {
      return;
    }
    this.isPolling = true;
    const startedAtMs = performance.now();
    try {
      await this.findIncidents();
      const overlap = this.isBrief ? BRIEF_OVERLAP_SECONDS : OVERLAP_SECONDS;
      const seconds = Math.min((startedAtMs - this.polledAtMs) / 1000, POLLED_SECONDS) + overlap;
      const found = await this.repository.findRecent(seconds, LEFT_TO_NOTIFICATIONS_SECONDS, RECENT_MOST);
      this.take(found, false);
      // There are more than can be read.
      if (found.length === RECENT_MOST) this.manyEnded.next();
      this.polledAtMs = startedAtMs;
      this.isBrief = !this.isBrief;
    } finally {
      this.isPolling = false;
    }
  }

  /**
   * Searches for the events of some users, refreshes too, in the last so many seconds and a few more. False where that is
   * too much, or cannot be found.
   */
  async catchUp(userIds: readonly string[], seconds: number): Promise<boolean> {
    const found = await allOf(this.repository.findSince(userIds, seconds + OVERLAP_SECONDS, MOST_AT_ONCE));
    this.take(found ?? [], false);
    return found !== null;
  }

  /**
   * What an earlier stream of the caller did not send any more, in the order in which it was received. Null where that was
   * over an hour ago, is too much, or cannot be found.
   *
   * @param lastEventId the id of the last event that it sent
   * @param before what {@link follow} returned: whatever was sent is among it, or older, and the order is known once all
   *   of it was received here too
   */
  async findMissed(
    { userId, readAt }: { readonly userId: string; readonly readAt: Time },
    lastEventId: string,
    before: readonly SessionEventKey[],
  ): Promise<SessionEvent[] | null> {
    const position = positionOf(lastEventId, readAt);
    if (!position) {
      return null;
    }
    await this.untilReceived(before);
    const since = position.at - OVERLAP_SECONDS * 1000;
    const found = await allOf(this.repository.findAfter(userId, since, MOST_AT_ONCE));
    return found && this.received.after(position, found);
  }

  // Of refreshes the trail has not each, so one that was not notified is never received.
  private async untilReceived(events: readonly SessionEventKey[]): Promise<void> {
    const deadline = performance.now() + RECEIVED_WITHIN_MS;
    const isAwaited = (event: SessionEventKey) => event.eventId !== null && !this.received.has(event);
    while (events.some(isAwaited) && performance.now() < deadline) {
      await sleep(RECEIVED_ASKED_EVERY_MS);
    }
  }

  // One that is finished counts as well: between two looks it may have ended all it had.
  private async findIncidents(): Promise<void> {
    const mark = await this.repository.findIncidentMark();
    if (mark !== this.incidentMark) {
      this.incidentMark = mark;
      this.manyEnded.next();
    }
  }

  private receive(payload: string): void {
    try {
      const events: unknown = JSON.parse(payload);
      // One of a type that only a newer version knows is left out.
      this.take(Array.isArray(events) ? events.filter(isSessionEvent) : [], true);
    } catch (error) {
      this.logger.warn(`A notification that is no JSON: ${String(error)}`);
    }
  }

  private take(events: readonly SessionEvent[], isNotified: boolean): void {
    for (const event of this.received.add(events, isNotified)) this.subject.next(event);
  }
}

const allOf = (events: Promise<SessionEvent[]>): Promise<SessionEvent[] | null> =>
  events.then((found) => (found.length < MOST_AT_ONCE ? found : null)).catch(() => null);
