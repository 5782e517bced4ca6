import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { REVOCATION_REASONS, TOKEN_DELIVERIES } from '../sessions/session.entity.js';
import {
  CHECK_REFUSALS,
  checkRefused,
  checksAnswered,
  REFRESH_OUTCOMES,
  refreshAnswered,
  sessionOpened,
  sessionsRevoked,
} from '../sessions/sessions.measurements.js';
import { counter, histogram, LATENCY_BUCKETS } from './instruments.js';

const BATCH_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
const CHECK_RESULTS = ['answered', 'failed'];
const SERVERS = ['primary', 'standby'];

/** Sessions from their opening to their end, and what checking them costs. */
@Injectable()
export class SessionMetrics implements OnApplicationShutdown {
  private readonly subscriptions = [...countSessions(), ...measureChecks()];

  onApplicationShutdown(): void {
    for (const end of this.subscriptions) end();
  }
}

function countSessions(): (() => void)[] {
  const opened = counter('sessions_opened_total', 'Sessions opened.', 'delivery', TOKEN_DELIVERIES);
  const ended = counter('sessions_ended_total', 'Sessions revoked.', 'reason', REVOCATION_REASONS);
  const refreshes = counter('refreshes_total', 'Authentic refresh tokens by outcome.', 'outcome', REFRESH_OUTCOMES);
  return [
    sessionOpened.subscribe(({ delivery }) => opened.inc({ delivery })),
    sessionsRevoked.subscribe(({ reason, count }) => ended.inc({ reason }, count)),
    refreshAnswered.subscribe(({ outcome }) => refreshes.inc({ outcome })),
  ];
}

function measureChecks(): (() => void)[] {
  const batches = histogram('session_check_batch_size', 'Session checks that shared a query.', {
    buckets: BATCH_BUCKETS,
  });
  const seconds = histogram('session_check_duration_seconds', 'Duration of the queries for session checks.', {
    labelNames: ['result'],
    buckets: LATENCY_BUCKETS,
  });
  for (const result of CHECK_RESULTS) seconds.zero({ result });
  const refused = counter(
    'session_checks_refused_total',
    'Requests refused for their session.',
    'reason',
    CHECK_REFUSALS,
  );
  const answered = counter(
    'session_checks_answered_total',
    'Session checks by the kind of server that answered them.',
    'server',
    SERVERS,
  );
  return [
    checksAnswered.subscribe(({ size, byStandby, milliseconds, isFailure }) => {
      batches.observe(size);
      answered.inc({ server: 'standby' }, byStandby);
      if (!isFailure) answered.inc({ server: 'primary' }, size - byStandby);
      seconds.observe({ result: isFailure ? 'failed' : 'answered' }, milliseconds / 1000);
    }),
    checkRefused.subscribe(({ reason }) => refused.inc({ reason })),
  ];
}
