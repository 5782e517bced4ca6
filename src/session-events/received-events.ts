import { LRUCache } from 'lru-cache';
import type { Time } from '../database/time.js';
import type { SessionEvent, SessionEventKey } from '../sessions/session-event.js';

const RESUMABLE_MS = 3_600_000;
// A change is dated by the start of its transaction, so an event may be received after one of a later date: a search for
// what was missed begins so much earlier.
export const OVERLAP_SECONDS = 10;
// Between two events that would have one place, in milliseconds: finer than any date, coarser than a number of that size.
const PLACE_STEP = 0.001;
const EVENT_ID = /^(\d{1,15})(?:\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}))?$/;

/** Where an earlier stream was cut: the parts of an id of {@link eventIdOf}. */
export interface FeedPosition {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Null where it is a time and nothing else. */
  readonly id: string | null;
}

/**
 * Where an event stands among those that were received. All instances receive notifications in one order, so that is
 * theirs: the date, or just after the one before. An event that was only found by polling was not sent by any instance as it
 * happened, and stands by its date.
 */
interface Place {
  readonly at: number;
  readonly isNotified: boolean;
}

/** The events that this instance received last, in their order. */
export class ReceivedEvents {
  private readonly places: LRUCache<string, Place>;
  private lastPlace = 0;

  constructor(max: number) {
    this.places = new LRUCache({ max });
  }

  has(event: SessionEventKey): boolean {
    return this.places.has(eventIdOf(event));
  }

  /** Remembers events, and returns those that had not been received. */
  add(events: readonly SessionEvent[], isNotified: boolean): SessionEvent[] {
    const added = events.filter((event) => !this.has(event));
    for (const event of events) {
      const id = eventIdOf(event);
      const known = this.places.peek(id);
      if (isNotified && !known?.isNotified) {
        this.lastPlace = Math.max(event.at, this.lastPlace + PLACE_STEP);
        this.places.set(id, { at: this.lastPlace, isNotified });
      } else if (!known) {
        this.places.set(id, { at: event.at, isNotified });
      }
    }
    return added;
  }

  /** Those of the events that a stream cut at this position has not sent, in the order in which they were received. */
  after(position: FeedPosition, events: readonly SessionEvent[]): SessionEvent[] {
    const placeOf = (event: SessionEvent) => this.places.peek(eventIdOf(event))?.at ?? event.at;
    return events
      .filter((event) => this.isAfter(event, position))
      .toSorted((one, other) => placeOf(one) - placeOf(other));
  }

  // A stream sent what it received, so dates decide only where this instance did not receive both.
  private isAfter(event: SessionEvent, { at, id }: FeedPosition): boolean {
    const place = this.places.peek(eventIdOf(event));
    const placeOfPosition = id === null ? undefined : this.places.peek(`${at}.${id}`);
    if (place !== undefined && placeOfPosition !== undefined) {
      return place.at > placeOfPosition.at || (place.at === placeOfPosition.at && keyOf(event) > (id ?? ''));
    }
    if (place !== undefined && id !== null) {
      // The position is from before this instance listened, or is no longer remembered.
      return event.at > at - OVERLAP_SECONDS * 1000 && eventIdOf(event) !== `${at}.${id}`;
    }
    return event.at > at || (event.at === at && keyOf(event) > (id ?? ''));
  }
}

/** The id of an event among all of its user's, which a client sends back as `Last-Event-ID`. */
export const eventIdOf = (event: SessionEventKey): string => `${event.at}.${keyOf(event)}`;

const keyOf = ({ eventId, sessionId }: SessionEventKey): string => eventId ?? sessionId;

/** The position that an id names. Null where it is no such id, or over an hour ago by the database's clock. */
export function positionOf(lastEventId: string, now: Time): FeedPosition | null {
  const [, time, id = null] = EVENT_ID.exec(lastEventId) ?? [];
  const at = Number(time);
  // Not a number where there is none.
  return at >= now.getTime() - RESUMABLE_MS ? { at, id } : null;
}
