import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { type Aggregator, collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { DataSource } from 'typeorm';
import { tableCleaned } from '../database/database.measurements.js';
import { Notifications } from '../database/notifications.js';
import { poolOf } from '../database/pool.js';
import { Retention } from '../database/retention.js';
import { LIMIT_NAMES, limitHit } from '../limits/limits.measurements.js';
import { MailBacklog } from '../mail/mail-backlog.js';
import { REVOCATION_REASONS, TOKEN_DELIVERIES } from '../sessions/session.entity.js';
import { SessionFeed } from '../session-events/session-feed.js';
import {
  CHECK_REFUSALS,
  checkRefused,
  checksAnswered,
  REFRESH_OUTCOMES,
  refreshAnswered,
  sessionOpened,
  sessionsRevoked,
} from '../sessions/sessions.measurements.js';
import { SessionStreams } from '../session-events/session-streams.js';
import { PasswordHasher } from '../users/password-hasher.js';
import { passwordHashed } from '../users/users.measurements.js';

const LATENCY_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const BATCH_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const;
const CHECK_RESULTS = ['answered', 'failed'] as const;
// Less than a scrape may take, by far.
const DATABASE_ANSWERS_WITHIN_MS = 1000;

interface AnsweredRequest {
  readonly method: string;
  readonly route: string;
  readonly status: number;
  /** Null for an answer that stayed open for as long as its client wanted. */
  readonly milliseconds: number | null;
}

/**
 * Counts what the rooms tell. No label has a value that a client chooses, and each counter is there from the start with
 * all of its labels: to Prometheus one that appears with its first burst has not increased.
 */
@Injectable()
export class Metrics implements OnApplicationBootstrap, OnApplicationShutdown {
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
  private readonly answers = this.counter(
    'http_answers_total',
    'Requests by class of status.',
    'class',
    STATUS_CLASSES,
  );
  private readonly checksRefused = this.counter(
    'session_checks_refused_total',
    'Requests refused for their session.',
    'reason',
    CHECK_REFUSALS,
  );
  private readonly opened = this.counter('sessions_opened_total', 'Devices signed in.', 'delivery', TOKEN_DELIVERIES);
  private readonly ended = this.counter(
    'sessions_ended_total',
    'Sessions ended on purpose.',
    'reason',
    REVOCATION_REASONS,
  );
  private readonly refreshes = this.counter(
    'refreshes_total',
    'Authentic refresh tokens by outcome.',
    'outcome',
    REFRESH_OUTCOMES,
  );
  private readonly limitHits = this.counter('rate_limit_hits_total', 'Requests told to wait.', 'limit', LIMIT_NAMES);
  private readonly sweptRows: Counter;
  private readonly sweepFailures: Counter;
  private readonly sweptAt: Gauge;
  private readonly subscriptions: (() => void)[];
  private readonly hashSeconds = this.histogram('password_hash_duration_seconds', 'Password hashes, with waiting.', {
    buckets: LATENCY_BUCKETS,
  });

  constructor(
    passwords: PasswordHasher,
    streams: SessionStreams,
    feed: SessionFeed,
    mails: MailBacklog,
    notifications: Notifications,
    private readonly retention: Retention,
    @InjectDataSource() dataSource: DataSource,
  ) {
    collectDefaultMetrics({ register: this.registry });
    for (const result of CHECK_RESULTS) this.checkSeconds.zero({ result });

    this.gauge('build_info', 'The version of the service and of Node, always 1.', {
      labelNames: ['version', 'node'],
      aggregator: 'max',
    }).set({ version: versionOfPackage(), node: process.versions.node }, 1);
    this.gauge('event_streams', 'Event streams that are open.', {
      collect: (gauge) => gauge.set(streams.count),
    });
    this.gauge('password_hash_queue_length', 'Passwords being hashed or waiting.', {
      collect: (gauge) => gauge.set(passwords.queueLength),
    });
    this.gauge('database_connections', 'Connections of the pool by state.', {
      labelNames: ['state'],
      collect: (gauge) => {
        const pool = poolOf(dataSource);
        gauge.set({ state: 'busy' }, pool.totalCount - pool.idleCount);
        gauge.set({ state: 'idle' }, pool.idleCount);
        gauge.set({ state: 'waited_for' }, pool.waitingCount);
      },
    });
    this.watchFeed(feed);

    this.gaugeOfDatabase('notify_queue_usage_ratio', 'How full the queue of NOTIFY is.', () =>
      notifications.findQueueUsage(),
    );
    const backlog = shared(() => mails.find());
    this.gaugeOfDatabase('mail_backlog', 'Mails not sent yet, 10000 at most.', async () => (await backlog()).count);
    this.gaugeOfDatabase(
      'mail_backlog_oldest_seconds',
      'Age of the oldest of them.',
      async () => (await backlog()).oldestSeconds,
    );

    this.sweptRows = this.counter('retention_rows_deleted_total', 'Rows deleted because their time is over.', 'table');
    this.sweepFailures = this.counter('retention_failures_total', 'Deleting them failed.', 'table');
    this.sweptAt = this.gauge('retention_last_success_timestamp_seconds', 'When that worked last, or this started.', {
      labelNames: ['table'],
      aggregator: 'max',
    });
    this.subscriptions = this.subscribe();
  }

  /** By now each room has said what it wants swept. */
  onApplicationBootstrap(): void {
    for (const table of this.retention.tables) {
      this.sweptRows.inc({ table }, 0);
      this.sweepFailures.inc({ table }, 0);
      this.sweptAt.set({ table }, Date.now() / 1000);
    }
  }

  requestAnswered({ method, route, status, milliseconds }: AnsweredRequest): void {
    this.answers.inc({ class: `${Math.floor(status / 100)}xx` });
    if (milliseconds !== null) {
      this.requests.observe({ method, route, status }, milliseconds / 1000);
    }
  }

  onApplicationShutdown(): void {
    for (const end of this.subscriptions) end();
  }

  private subscribe(): (() => void)[] {
    return [
      tableCleaned.subscribe(({ table, rows, isFailure }) => {
        this.sweptRows.inc({ table }, rows);
        if (isFailure) this.sweepFailures.inc({ table });
        else this.sweptAt.set({ table }, Date.now() / 1000);
      }),
      checksAnswered.subscribe(({ size, milliseconds, isFailure }) => {
        this.checkBatches.observe(size);
        this.checkSeconds.observe({ result: isFailure ? 'failed' : 'answered' }, milliseconds / 1000);
      }),
      checkRefused.subscribe(({ reason }) => this.checksRefused.inc({ reason })),
      sessionOpened.subscribe(({ delivery }) => this.opened.inc({ delivery })),
      sessionsRevoked.subscribe(({ reason, count }) => this.ended.inc({ reason }, count)),
      refreshAnswered.subscribe(({ outcome }) => this.refreshes.inc({ outcome })),
      limitHit.subscribe(({ limit }) => this.limitHits.inc({ limit })),
      passwordHashed.subscribe(({ milliseconds }) => this.hashSeconds.observe(milliseconds / 1000)),
    ];
  }

  private histogram(name: string, help: string, options: { labelNames?: string[]; buckets: number[] }) {
    return new Histogram({ name: `latchkey_${name}`, help, registers: [this.registry], ...options });
  }

  private counter(name: string, help: string, label: string, values: readonly string[] = []): Counter {
    const counter = new Counter({
      name: `latchkey_${name}`,
      help,
      labelNames: [label],
      registers: [this.registry],
    });
    for (const value of values) counter.inc({ [label]: value }, 0);
    return counter;
  }

  private gauge(
    name: string,
    help: string,
    {
      labelNames = [],
      aggregator = 'sum',
      collect,
    }: {
      labelNames?: string[];
      /** How one value is made of those of several workers. */
      aggregator?: Aggregator;
      collect?: (gauge: Gauge) => void | Promise<void>;
    },
  ): Gauge {
    const gauge: Gauge = new Gauge({
      name: `latchkey_${name}`,
      help,
      labelNames,
      aggregator,
      registers: [this.registry],
      ...(collect && { collect: () => collect(gauge) }),
    });
    return gauge;
  }

  /** A value that the database knows, the same for all workers. While it does not answer there is none. */
  private gaugeOfDatabase(name: string, help: string, ask: () => Promise<number>): void {
    const asked = shared(ask);
    this.gauge(name, help, {
      aggregator: 'max',
      collect: async (gauge) => {
        const value = await Promise.race([
          asked().catch(() => null),
          sleep(DATABASE_ANSWERS_WITHIN_MS, null, { ref: false }),
        ]);
        if (value === null) gauge.remove();
        else gauge.set(value);
      },
    });
  }

  private watchFeed(feed: SessionFeed): void {
    const listening = this.gauge('listening', 'Whether the database can tell of ended sessions at once.', {
      aggregator: 'min',
    });
    const lost = new Counter({
      name: 'latchkey_listening_lost_total',
      help: 'How often the connection for that was lost.',
      registers: [this.registry],
    });
    let wasListening = false;
    feed.isListening.subscribe((isListening) => {
      listening.set(Number(isListening));
      if (wasListening && !isListening) lost.inc();
      wasListening = isListening;
    });
  }
}

/** The same, but who asks while an answer is awaited gets that one. */
function shared<T>(ask: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | null = null;
  return () => (asked ??= ask().finally(() => (asked = null)));
}

function versionOfPackage(): string {
  const { version }: { version?: string } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  return version ?? 'unknown';
}
