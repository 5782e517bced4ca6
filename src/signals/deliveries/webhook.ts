import { createHmac } from 'node:crypto';
import { endedBy } from '../../sessions/session.dto.js';
import { keyOf } from '../receivers/receiver-secret.js';
import type { ClaimedDelivery } from './deliveries.repository.js';
import type { ReceiverMessage } from './receiver-post.js';

type Sent = Pick<ClaimedDelivery, 'id' | 'event' | 'userId' | 'sessionId' | 'reason' | 'email' | 'at'>;

/**
 * A delivery as a webhook (Standard Webhooks 1.0): signed with HMAC-SHA256 over id, time of the attempt and body, with each of the
 * secrets.
 */
export function webhookOf(sent: Sent, secrets: readonly string[], now: Date): ReceiverMessage {
  const body = JSON.stringify({ type: sent.event, timestamp: sent.at.toISOString(), data: dataOf(sent) });
  const timestamp = String(Math.floor(now.getTime() / 1000));
  const content = `${sent.id}.${timestamp}.${body}`;
  const signatures = secrets.map(
    (secret) => `v1,${createHmac('sha256', keyOf(secret)).update(content).digest('base64')}`,
  );
  return {
    contentType: 'application/json',
    headers: { 'webhook-id': sent.id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') },
    body,
  };
}

/** Ids and reasons. What names a person is there only where the receiver asked for it. */
function dataOf({ event, userId, sessionId, reason, email }: Sent): Record<string, string> {
  const ended = event === 'session.expired' ? 'expired' : event === 'session.revoked' ? (reason ?? '') : null;
  return {
    ...(userId && { userId }),
    ...(sessionId && { sessionId }),
    ...(ended !== null && { reason: ended, endedBy: endedBy(ended) }),
    ...(email && { email }),
  };
}
