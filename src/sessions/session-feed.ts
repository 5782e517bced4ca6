import { Injectable, Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { BehaviorSubject, Subject } from 'rxjs';
import { Notifications } from '../database/notifications.js';
import { SESSION_CHANNEL, type SessionNews } from './session-news.js';
import { SessionNewsRepository } from './session-news.repository.js';

// Asked for again every few minutes, by whoever still wants it.
const REFRESHES_TOLD_SECONDS = 900;
const RESUMABLE_MS = 3_600_000;
const MOST_AT_ONCE = 1000;
// A change is dated by the start of its transaction, so news may be heard after news of a later date: whoever catches up
// looks so far back.
const OVERLAP_SECONDS = 10;
const HEARD_MOST = 10_000;
// Between two that would have one place, in milliseconds: finer than any date, coarser than a number of that size.
const PLACE_STEP = 0.001;
const EVENT_ID = /^(\d{1,15})(?:\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}))?$/;

/** Where an earlier stream was cut: the parts of an id of {@link eventIdOf}. */
export interface FeedPosition {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Null where it is a time and nothing else. */
  readonly id: string | null;
}

/** What happens to sessions on any instance, as it is committed: each piece of news once. */
@Injectable()
export class SessionFeed {
  private readonly logger = new Logger(SessionFeed.name);
  private readonly subject = new Subject<SessionNews>();
  private readonly listening = new BehaviorSubject(false);
  // What was heard last, by id, and its place in the order of hearing, which is one for all instances: its date, or just
  // after the one before.
  private readonly places = new LRUCache<string, number>({ max: HEARD_MOST });
  private lastPlace = 0;

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
      listening: () => this.listening.next(true),
      lost: () => this.listening.next(false),
    });
  }

  /**
   * Refreshes of these users' sessions are news too from the moment this resolves, for a quarter of an hour. Everything
   * else always is. Throws what the driver throws.
   */
  tellRefreshesOf(userIds: readonly string[]): Promise<void> {
    return this.sessions.watch(userIds, REFRESHES_TOLD_SECONDS);
  }

  /**
   * Tells the news of some users in the last so many seconds that was not heard. False where that is too much, or cannot
   * be found.
   */
  async catchUp(userIds: readonly string[], seconds: number): Promise<boolean> {
    const found = await allOf(this.sessions.findSince(userIds, seconds + OVERLAP_SECONDS, MOST_AT_ONCE));
    this.take(found ?? []);
    return found !== null;
  }

  /**
   * The position that an id of {@link eventIdOf} names. Null where it is no such id, or over an hour ago.
   *
   * @param now by the database's clock
   */
  positionOf(lastEventId: string, now: Date): FeedPosition | null {
    const [, time, id = null] = EVENT_ID.exec(lastEventId) ?? [];
    const at = Number(time);
    // Not a number where there is none.
    return at >= now.getTime() - RESUMABLE_MS ? { at, id } : null;
  }

  /**
   * The news of a user after a position, in the order in which it was heard. What is under way is heard later. Null where
   * that is too much, or cannot be found.
   */
  async findAfter(userId: string, position: FeedPosition): Promise<SessionNews[] | null> {
    const found = await allOf(this.sessions.findAfter(userId, position.at - OVERLAP_SECONDS * 1000, MOST_AT_ONCE));
    const placeOf = (news: SessionNews) => this.places.peek(eventIdOf(news)) ?? news.at;
    return (
      found?.filter((news) => this.isAfter(news, position)).toSorted((one, other) => placeOf(one) - placeOf(other)) ??
      null
    );
  }

  /**
   * Whether a stream that was cut at this position has not told this news yet. It told what it heard, so dates decide
   * only where this instance did not hear both.
   */
  isAfter(news: SessionNews, { at, id }: FeedPosition): boolean {
    const place = this.places.peek(eventIdOf(news));
    const placeOfPosition = id === null ? undefined : this.places.peek(`${at}.${id}`);
    if (place !== undefined && placeOfPosition !== undefined) {
      return place > placeOfPosition;
    }
    if (place !== undefined && id !== null) {
      // The position is from before this instance listened, or is no longer remembered.
      return news.at > at - OVERLAP_SECONDS * 1000 && eventIdOf(news) !== `${at}.${id}`;
    }
    return news.at > at || (news.at === at && keyOf(news) > (id ?? ''));
  }

  private hear(payload: string): void {
    try {
      this.take(JSON.parse(payload));
    } catch (error) {
      this.logger.warn(`News that cannot be understood: ${String(error)}`);
    }
  }

  private take(news: readonly SessionNews[]): void {
    const unheard = news.filter((one) => !this.places.has(eventIdOf(one)));
    for (const one of unheard) {
      this.lastPlace = Math.max(one.at, this.lastPlace + PLACE_STEP);
      this.places.set(eventIdOf(one), this.lastPlace);
    }
    for (const one of unheard) this.subject.next(one);
  }
}

/** The id of a piece of news among all of its user's, for {@link SessionFeed.positionOf}. */
export const eventIdOf = (news: NewsId): string => `${news.at}.${keyOf(news)}`;

type NewsId = Pick<SessionNews, 'at' | 'eventId' | 'sessionId'>;

const keyOf = ({ eventId, sessionId }: NewsId): string => eventId ?? sessionId;

const allOf = (news: Promise<SessionNews[]>): Promise<SessionNews[] | null> =>
  news.then((found) => (found.length < MOST_AT_ONCE ? found : null)).catch(() => null);
