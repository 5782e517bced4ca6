import { Injectable, Logger } from '@nestjs/common';
import { BehaviorSubject, Subject } from 'rxjs';
import { Notifications } from '../database/notifications.js';
import { SESSION_CHANNEL, type SessionNews } from './session-news.js';
import { SessionNewsRepository } from './session-news.repository.js';

// Asked for again every few minutes, by whoever still wants it.
const REFRESHES_TOLD_SECONDS = 900;
const RESUMABLE_MS = 3_600_000;
const MOST_AT_ONCE = 1000;
// News may be committed a little later than it is dated: whoever catches up looks so far back.
const OVERLAP_SECONDS = 10;
const EVENT_ID = /^(\d{1,15})(?:\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}))?$/;

/** What happens to sessions on any instance, as it is committed. */
@Injectable()
export class SessionFeed {
  private readonly logger = new Logger(SessionFeed.name);
  private readonly subject = new Subject<SessionNews>();
  private readonly listening = new BehaviorSubject(false);

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
   * The news of some users in the last so many seconds and a few more, oldest first. Null where that is too much, or
   * cannot be found.
   */
  findSince(userIds: readonly string[], seconds: number): Promise<SessionNews[] | null> {
    return allOf(this.sessions.findSince(userIds, seconds + OVERLAP_SECONDS, MOST_AT_ONCE));
  }

  /**
   * The news of a user after the one with this id, see {@link eventIdOf}. Null where that is over an hour ago, too much,
   * or cannot be found.
   *
   * @param now by the database's clock
   */
  async findAfter(userId: string, lastEventId: string, now: Date): Promise<SessionNews[] | null> {
    const [, time, eventId = null] = EVENT_ID.exec(lastEventId) ?? [];
    const at = Number(time);
    // Not a number where there is none.
    return at >= now.getTime() - RESUMABLE_MS
      ? allOf(this.sessions.findAfter(userId, { at, eventId }, MOST_AT_ONCE))
      : null;
  }

  private hear(payload: string): void {
    try {
      const news: SessionNews[] = JSON.parse(payload);
      for (const one of news) this.subject.next(one);
    } catch (error) {
      this.logger.warn(`News that cannot be understood: ${String(error)}`);
    }
  }
}

/** The place of a piece of news among all of its user's, for {@link SessionFeed.findAfter}. */
export const eventIdOf = ({ at, eventId }: Pick<SessionNews, 'at' | 'eventId'>): string =>
  eventId === null ? String(at) : `${at}.${eventId}`;

const allOf = (news: Promise<SessionNews[]>): Promise<SessionNews[] | null> =>
  news.then((found) => (found.length < MOST_AT_ONCE ? found : null)).catch(() => null);
