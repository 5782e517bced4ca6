import { Module } from '@nestjs/common';
import sql from 'sql-template-tag';
import { Retention } from '../database/retention.js';
import { KeysModule } from '../keys/keys.module.js';
import { SessionEventsRepository } from './session-events.repository.js';
import { SessionFeed } from './session-feed.js';
import { SessionStreams } from './session-streams.js';
import { SessionWatcher } from './session-watcher.js';
import { StreamsController } from './streams.controller.js';

/** What happens to my devices right now? From the database's notification to an SSE client. */
@Module({
  imports: [KeysModule],
  controllers: [StreamsController],
  providers: [SessionEventsRepository, SessionFeed, SessionStreams, SessionWatcher],
  // For sockets of an application that is built on the service.
  exports: [SessionWatcher],
})
export class SessionEventsModule {
  constructor(retention: Retention) {
    retention.add({ table: 'stream_watches', column: 'until', before: sql`now()` });
  }
}
