import { endedBy } from '../../sessions/session.dto.js';
import type { ClaimedDelivery } from '../deliveries/deliveries.repository.js';
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

type Sent = Pick<ClaimedDelivery, 'id' | 'receiverId' | 'event' | 'userId' | 'sessionId' | 'reason' | 'at'>;

const INITIATORS = { self: 'user', staff: 'admin', system: 'system' } as const;

/** What a security event token says of a delivery. It has no `exp` and no `sub`, so it is never taken for an access token. */
export const securityEventClaims = (
  sent: Sent,
  { issuer, audience, now }: { issuer: string; audience: string; now: number },
) => ({
  iss: issuer,
  aud: audience,
  iat: now,
  jti: sent.id,
  sub_id: subjectOf(sent, issuer),
  events: eventOf(sent),
});

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
          initiating_entity: INITIATORS[endedBy(ended)],
          reason_admin: { en: ended },
        },
      };
    }
    case 'session.created':
      return { [`${CAEP}/session-established`]: { event_timestamp } };
    case 'password.changed':
      return {
        [`${CAEP}/credential-change`]: { event_timestamp, credential_type: 'password', change_type: 'update' },
      };
    case 'test':
      return { [`${SSF}/verification`]: reason === null ? {} : { state: reason } };
    case 'refresh_token.reused':
    case 'user.created':
    case 'user.disabled':
    case 'user.enabled':
    case 'user.deleted':
    case 'email.changed':
      break;
  }
  throw new Error(`No stream has the event ${event}.`);
}
