import { endedBy } from '../../sessions/session.dto.js';
import type { ClaimedDelivery } from './deliveries.repository.js';
import { STREAM_UPDATED } from './delivery.entity.js';
import type { SignalEvent } from '../receivers/receiver.entity.js';

const CAEP = 'https://schemas.openid.net/secevent/caep/event-type';
const SSF = 'https://schemas.openid.net/secevent/ssf/event-type';

/** The type of a security event token (RFC 8417). */
export const SECURITY_EVENT_TYPE = 'secevent+jwt';

/** Events that a stream can have, as CAEP 1.0 calls them, and of what each is made. */
export const CAEP_EVENTS: Readonly<Record<string, readonly SignalEvent[]>> = {
  [`${CAEP}/session-revoked`]: ['session.revoked', 'session.expired'],
  [`${CAEP}/session-established`]: ['session.created'],
  [`${CAEP}/credential-change`]: ['password.changed'],
};

/** Those of the requested events that there are. */
export const deliveredOf = (requested: readonly string[]): string[] =>
  Object.keys(CAEP_EVENTS).filter((uri) => requested.includes(uri));

/** Of what those are made. */
export const signalEventsOf = (requested: readonly string[]): SignalEvent[] =>
  deliveredOf(requested).flatMap((uri) => CAEP_EVENTS[uri] ?? []);

type Sent = Pick<ClaimedDelivery, 'id' | 'receiverId' | 'event' | 'userId' | 'sessionId' | 'reason' | 'at'>;

const INITIATORS = { self: 'user', staff: 'admin', system: 'system' } as const;
// Rules that apply to each session, where nothing else happened.
const POLICIES: ReadonlySet<string> = new Set(['expired', 'session_limit']);
const WHY_UPDATED: Readonly<Record<string, string>> = {
  enabled: 'The operator of the transmitter enabled it.',
  disabled: 'The operator of the transmitter disabled it.',
};

/** What a security event token says of a delivery. It has no `exp` and no `sub`, so it is never taken for an access token. */
export const securityEventClaims = (
  sent: Sent,
  { issuer, audience, now }: { issuer: string; audience: string; now: number },
) => ({
  iss: issuer,
  aud: audience,
  iat: now,
  jti: sent.id,
  txn: transactionOf(sent),
  sub_id: subjectOf(sent, issuer),
  events: eventOf(sent),
});

// The same for each stream that has the event.
const transactionOf = ({ id, event, userId, sessionId, at }: Sent) =>
  userId === null ? id : `${event}.${sessionId ?? userId}.${at.getTime()}`;

function subjectOf({ receiverId, userId, sessionId }: Sent, issuer: string) {
  const user = { format: 'iss_sub', iss: issuer, sub: userId };
  if (userId === null) return { format: 'opaque', id: receiverId };
  return sessionId === null ? user : { format: 'complex', user, session: { format: 'opaque', id: sessionId } };
}

function eventOf({ event, reason, at }: Sent): Record<string, object> {
  const event_timestamp = Math.floor(at.getTime() / 1000);
  switch (event) {
    case 'session.revoked':
    case 'session.expired': {
      const ended = event === 'session.expired' ? 'expired' : (reason ?? '');
      return {
        [`${CAEP}/session-revoked`]: {
          event_timestamp,
          initiating_entity: POLICIES.has(ended) ? 'policy' : INITIATORS[endedBy(ended)],
          reason_admin: { en: ended },
        },
      };
    }
    case 'session.created':
      return { [`${CAEP}/session-established`]: { event_timestamp, initiating_entity: 'user' } };
    case 'password.changed':
      return {
        [`${CAEP}/credential-change`]: {
          event_timestamp,
          // Nobody else can, also where a mailed link is used.
          initiating_entity: 'user',
          reason_admin: { en: 'The password was changed, or reset by a mailed link.' },
          credential_type: 'password',
          change_type: 'update',
        },
      };
    case 'test':
      return { [`${SSF}/verification`]: reason === null ? {} : { state: reason } };
    case STREAM_UPDATED:
      return { [`${SSF}/stream-updated`]: { status: reason, reason: WHY_UPDATED[reason ?? ''] } };
    case 'refresh_token.reused':
    case 'user.created':
    case 'user.disabled':
    case 'user.enabled':
    case 'user.deleted':
    case 'email.changed':
    case 'factor.added':
    case 'factor.removed':
      break;
  }
  throw new Error(`No stream has the event ${event}.`);
}
