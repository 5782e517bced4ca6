import { Module } from '@nestjs/common';
import sql from 'sql-template-tag';
import { Retention } from '../database/retention.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { SessionFeed } from './session-feed.js';
import { SessionLifetime } from './session-lifetime.js';
import { SessionNewsRepository } from './session-news.repository.js';
import { SessionStreams } from './session-streams.js';
import { StreamsController } from './streams.controller.js';

/** What happens to my devices right now? From the database's notification to an SSE client. */
@Module({
  imports: [SessionsModule],
  controllers: [StreamsController],
  providers: [SessionFeed, SessionLifetime, SessionNewsRepository, SessionStreams],
  exports: [SessionFeed, SessionLifetime, SessionStreams],
})
export class SessionEventsModule {
  constructor(retention: Retention) {
    retention.add({ table: 'stream_watches', column: 'until', before: sql`now()` });
  }
}
