import { Injectable } from '@nestjs/common';
import { OnEvent } from '@nestjs/event-emitter';
import { InjectDataSource } from '@nestjs/typeorm';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { DataSource } from 'typeorm';
import { poolOf } from '../database/prepared-statements.js';
import { LimitHit } from '../limits/limits.events.js';
import {
  RefreshAnswered,
  SessionCheckRefused,
  SessionChecksAnswered,
  SessionOpened,
  SessionsEnded,
} from '../sessions/sessions.events.js';
import { SessionStreams } from '../streams/session-streams.js';
import { PasswordHasher } from '../users/password-hasher.js';
import { PasswordHashed } from '../users/users.events.js';

const LATENCY_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const BATCH_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** Counts what the rooms tell. No label has a value that a client chooses. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();

  private readonly requests = this.histogram('http_request_duration_seconds', 'Requests by route and status.', {
    labelNames: ['method', 'route', 'status'],
    buckets: LATENCY_BUCKETS,
  });
  private readonly checkBatches = this.histogram('session_check_batch_size', 'Session checks that shared a query.', {
    buckets: BATCH_BUCKETS,
  });
  private readonly checkSeconds = this.histogram('session_check_duration_seconds', 'Queries for session checks.', {
    labelNames: ['result'],
    buckets: LATENCY_BUCKETS,
  });
  private readonly checksRefused = this.counter('session_checks_refused_total', 'Requests refused for their session.', [
    'reason',
  ]);
  private readonly opened = this.counter('sessions_opened_total', 'Devices signed in.', ['delivery']);
  private readonly ended = this.counter('sessions_ended_total', 'Sessions ended on purpose.', ['reason']);
  private readonly refreshes = this.counter('refreshes_total', 'Authentic refresh tokens by outcome.', ['outcome']);
  private readonly limitHits = this.counter('rate_limit_hits_total', 'Requests told to wait.', ['limit']);
  private readonly hashSeconds = this.histogram('password_hash_duration_seconds', 'Password hashes, with waiting.', {
    buckets: LATENCY_BUCKETS,
  });

  constructor(passwords: PasswordHasher, streams: SessionStreams, @InjectDataSource() dataSource: DataSource) {
    collectDefaultMetrics({ register: this.registry });
    this.gauge('event_streams', 'Event streams that are open.', (gauge) => gauge.set(streams.count));
    this.gauge('password_hash_queue_length', 'Passwords being hashed or waiting.', (gauge) => {
      gauge.set(passwords.queueLength);
    });
    this.gauge('database_connections', 'Connections of the pool by state.', (gauge) => {
      const pool = poolOf(dataSource);
      gauge.set({ state: 'busy' }, pool.totalCount - pool.idleCount);
      gauge.set({ state: 'idle' }, pool.idleCount);
      gauge.set({ state: 'waited_for' }, pool.waitingCount);
    });
  }

  requestAnswered(method: string, route: string, status: number, milliseconds: number): void {
    this.requests.observe({ method, route, status }, milliseconds / 1000);
  }

  @OnEvent(SessionChecksAnswered.name)
  checksAnswered({ size, milliseconds, isFailure }: SessionChecksAnswered): void {
    this.checkBatches.observe(size);
    this.checkSeconds.observe({ result: isFailure ? 'failed' : 'answered' }, milliseconds / 1000);
  }

  @OnEvent(SessionCheckRefused.name)
  checkRefused({ reason }: SessionCheckRefused): void {
    this.checksRefused.inc({ reason });
  }

  @OnEvent(SessionOpened.name)
  sessionOpened({ delivery }: SessionOpened): void {
    this.opened.inc({ delivery });
  }

  @OnEvent(SessionsEnded.name)
  sessionsEnded({ reason, count }: SessionsEnded): void {
    this.ended.inc({ reason }, count);
  }

  @OnEvent(RefreshAnswered.name)
  refreshAnswered({ outcome }: RefreshAnswered): void {
    this.refreshes.inc({ outcome });
  }

  @OnEvent(LimitHit.name)
  limitHit({ limit }: LimitHit): void {
    this.limitHits.inc({ limit });
  }

  @OnEvent(PasswordHashed.name)
  passwordHashed({ milliseconds }: PasswordHashed): void {
    this.hashSeconds.observe(milliseconds / 1000);
  }

  private histogram(name: string, help: string, options: { labelNames?: string[]; buckets: number[] }) {
    return new Histogram({ name: `latchkey_${name}`, help, registers: [this.registry], ...options });
  }

  private counter(name: string, help: string, labelNames: string[] = []) {
    return new Counter({ name: `latchkey_${name}`, help, labelNames, registers: [this.registry] });
  }

  private gauge(name: string, help: string, collect: (gauge: Gauge) => void): void {
    const gauge: Gauge = new Gauge({
      name: `latchkey_${name}`,
      help,
      labelNames: name === 'database_connections' ? ['state'] : [],
      registers: [this.registry],
      collect: () => collect(gauge),
    });
  }
}
