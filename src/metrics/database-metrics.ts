import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { InjectOurDataSource } from '../database/data-source.js';
import { Durability } from '../database/durability.js';
import { Notifications } from '../database/notifications.js';
import { poolOf } from '../database/pool.js';
import { MailBacklog } from '../mail/mail-backlog.js';
import { gauge, gaugeOfDatabase, shared } from './instruments.js';

/** The pool of connections, and what waits in the database: notifications and mails. */
@Injectable()
export class DatabaseMetrics {
  constructor(
    mails: MailBacklog,
    notifications: Notifications,
    durability: Durability,
    @InjectOurDataSource() dataSource: DataSource,
  ) {
    gauge('database_connections', 'Connections of the pool by state.', {
      labelNames: ['state'],
      collect: (connections) => {
        const pool = poolOf(dataSource);
        connections.set({ state: 'busy' }, pool.totalCount - pool.idleCount);
        connections.set({ state: 'idle' }, pool.idleCount);
        connections.set({ state: 'waited_for' }, pool.waitingCount);
      },
    });
    gaugeOfDatabase('notify_queue_usage_ratio', 'How full the queue of NOTIFY is.', () =>
      notifications.findQueueUsage(),
    );
    gaugeOfDatabase(
      'durability_risks',
      'Settings of the database by which a crash or a failover may undo logouts that were answered.',
      async () => (await durability.findRisks()).length,
    );
    const backlog = shared(() => mails.find());
    gaugeOfDatabase('mail_backlog', 'Mails not sent yet, 10000 at most.', async () => (await backlog()).count);
    gaugeOfDatabase(
      'mail_backlog_oldest_seconds',
      'Age of the oldest mail that is not sent yet.',
      async () => (await backlog()).oldestSeconds,
    );
  }
}
