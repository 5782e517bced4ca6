import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { BehaviorSubject, Subject } from 'rxjs';
import { Notifications } from '../database/notifications.js';
import { type PastNews, SESSION_CHANNEL, type SessionNews } from '../sessions/session-news.js';
import { listening, listeningLost } from './session-events.measurements.js';
import { SessionNewsRepository } from './session-news.repository.js';

// Asked for again every few minutes, by whoever still wants it.
const FOLLOWED_SECONDS = 900;
const RESUMABLE_MS = 3_600_000;
const MOST_AT_ONCE = 1000;
// A change is dated by the start of its transaction, so news may be heard after news of a later date: whoever catches up
// looks so far back.
const OVERLAP_SECONDS = 10;
// Whoever was away for longer asks in another way.
const LOOKS_BACK_SECONDS = 60;
// What is younger is on its way as a notification, and arrives in the order in which every instance hears it.
const LEFT_TO_NOTIFICATIONS_SECONDS = 0.2;
const RECENT_MOST = 10_000;
const HEARD_WITHIN_MS = 2000;
const HEARD_ASKED_EVERY_MS = 20;
// Between two that would have one place, in milliseconds: finer than any date, coarser than a number of that size.
const PLACE_STEP = 0.001;
const EVENT_ID = /^(\d{1,15})(?:\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}))?$/;

/** Where an earlier stream was cut: the parts of an id of {@link eventIdOf}. */
interface FeedPosition {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Null where it is a time and nothing else. */
  readonly id: string | null;
}

/**
 * Where a piece of news stands among what was heard. All instances hear notifications in one order, so that is theirs: the
 * date, or just after the one before. What was only found by looking was told to nobody as it happened, and stands by its
 * date.
 */
interface Place {
  readonly at: number;
  readonly isNotified: boolean;
}

/**
 * What happens to sessions on any instance, each piece of news once. It is notified by whoever did it, right after the
 * commit, and looked for in the audit trail, since a notification may be lost: with its process, with the connection, or
 * because the database takes none.
 */
@Injectable()
export class SessionFeed {
  private readonly logger = new Logger(SessionFeed.name);
  private readonly subject = new Subject<SessionNews>();
  private readonly listening = new BehaviorSubject(false);
  private readonly places = new LRUCache<string, Place>({ max: 2 * RECENT_MOST });
  private lastPlace = 0;
  private isLooking = false;
  private lookedAtMs = performance.now();

  readonly news = this.subject.asObservable();
  /** Whether news arrives. While it does not it is lost: whoever must know everything asks the database afterwards. */
  readonly isListening = this.listening.asObservable();

  constructor(
    notifications: Notifications,
    private readonly sessions: SessionNewsRepository,
  ) {
    notifications.listen({
      channel: SESSION_CHANNEL,
      heard: (payload) => this.hear(payload),
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
  }

  /**
   * What happens to these users' sessions is notified at once from the moment this resolves, for a quarter of an hour;
   * otherwise it is found by looking, and refreshes are not. Returns what happened before and may come as news yet. Throws
   * what the driver throws.
   */
  follow(userIds: readonly string[]): Promise<PastNews[]> {
    return this.sessions.watch(userIds, FOLLOWED_SECONDS, OVERLAP_SECONDS);
  }

  /**
   * Looks for what was not notified. What it costs grows with what is written to the trail, not with who watches. Throws
   * what the driver throws: then something may have been missed.
   */
  async look(): Promise<void> {
    if (this.isLooking) {
      return;
    }
    this.isLooking = true;
    const startedAtMs = performance.now();
    try {
      const seconds = Math.min((startedAtMs - this.lookedAtMs) / 1000, LOOKS_BACK_SECONDS) + OVERLAP_SECONDS;
      this.take(await this.sessions.findRecent(seconds, LEFT_TO_NOTIFICATIONS_SECONDS, RECENT_MOST), false);
      this.lookedAtMs = startedAtMs;
    } finally {
      this.isLooking = false;
    }
  }

  /**
   * Looks for the news of some users, refreshes too, in the last so many seconds and a few more. False where that is too
   * much, or cannot be found.
   */
  async catchUp(userIds: readonly string[], seconds: number): Promise<boolean> {
    const found = await allOf(this.sessions.findSince(userIds, seconds + OVERLAP_SECONDS, MOST_AT_ONCE));
    this.take(found ?? [], false);
    return found !== null;
  }

  /**
   * What an earlier stream of the caller did not tell any more, in the order in which it was heard. Null where that was over
   * an hour ago, is too much, or cannot be found.
   *
   * @param lastEventId the id of the last that it told, see {@link eventIdOf}
   * @param before what {@link follow} returned: whatever was told is among it, or older, and the order is known once all
   *   of it was heard here too
   */
  async findMissed(
    { userId, readAt }: { readonly userId: string; readonly readAt: Date },
    lastEventId: string,
    before: readonly PastNews[],
  ): Promise<SessionNews[] | null> {
    const position = positionOf(lastEventId, readAt);
    if (!position) {
      return null;
    }
    await this.untilHeard(before);
    const found = await allOf(this.sessions.findAfter(userId, position.at - OVERLAP_SECONDS * 1000, MOST_AT_ONCE));
    const placeOf = (news: SessionNews) => this.places.peek(eventIdOf(news))?.at ?? news.at;
    return (
      found?.filter((news) => this.isAfter(news, position)).toSorted((one, other) => placeOf(one) - placeOf(other)) ??
      null
    );
  }

  // Of refreshes the trail has no line, so one that was not notified is never heard.
  private async untilHeard(news: readonly PastNews[]): Promise<void> {
    const deadline = performance.now() + HEARD_WITHIN_MS;
    const isUnheard = (one: PastNews) => one.eventId !== null && !this.places.has(eventIdOf(one));
    while (news.some(isUnheard) && performance.now() < deadline) {
      await sleep(HEARD_ASKED_EVERY_MS);
    }
  }

  /**
   * Whether a stream that was cut at this position has not told this news yet. It told what it heard, so dates decide
   * only where this instance did not hear both.
   */
  private isAfter(news: SessionNews, { at, id }: FeedPosition): boolean {
    const place = this.places.peek(eventIdOf(news));
    const placeOfPosition = id === null ? undefined : this.places.peek(`${at}.${id}`);
    if (place !== undefined && placeOfPosition !== undefined) {
      return place.at > placeOfPosition.at || (place.at === placeOfPosition.at && keyOf(news) > (id ?? ''));
    }
    if (place !== undefined && id !== null) {
      // The position is from before this instance listened, or is no longer remembered.
      return news.at > at - OVERLAP_SECONDS * 1000 && eventIdOf(news) !== `${at}.${id}`;
    }
    return news.at > at || (news.at === at && keyOf(news) > (id ?? ''));
  }

  private hear(payload: string): void {
    try {
      this.take(JSON.parse(payload), true);
    } catch (error) {
      this.logger.warn(`News that cannot be understood: ${String(error)}`);
    }
  }

  private take(news: readonly SessionNews[], isNotified: boolean): void {
    const unheard = news.filter((one) => !this.places.has(eventIdOf(one)));
    for (const one of news) {
      const known = this.places.peek(eventIdOf(one));
      if (isNotified && !known?.isNotified) {
        this.lastPlace = Math.max(one.at, this.lastPlace + PLACE_STEP);
        this.places.set(eventIdOf(one), { at: this.lastPlace, isNotified });
      } else if (!known) {
        this.places.set(eventIdOf(one), { at: one.at, isNotified });
      }
    }
    for (const one of unheard) this.subject.next(one);
  }
}

/** The id of a piece of news among all of its user's, for {@link SessionFeed.findMissed}. */
export const eventIdOf = (news: PastNews): string => `${news.at}.${keyOf(news)}`;

const keyOf = ({ eventId, sessionId }: PastNews): string => eventId ?? sessionId;

/** The position that an id names. Null where it is no such id, or over an hour ago by the database's clock. */
function positionOf(lastEventId: string, now: Date): FeedPosition | null {
  const [, time, id = null] = EVENT_ID.exec(lastEventId) ?? [];
  const at = Number(time);
  // Not a number where there is none.
  return at >= now.getTime() - RESUMABLE_MS ? { at, id } : null;
}

const allOf = (news: Promise<SessionNews[]>): Promise<SessionNews[] | null> =>
  news.then((found) => (found.length < MOST_AT_ONCE ? found : null)).catch(() => null);
