import { Module } from '@nestjs/common';
import { SessionsModule } from '../sessions/sessions.module.js';
import { SessionStreams } from './session-streams.js';
import { StreamsController } from './streams.controller.js';

/** What happens to my devices right now? */
@Module({
  imports: [SessionsModule],
  controllers: [StreamsController],
  providers: [SessionStreams],
  exports: [SessionStreams],
})
export class StreamsModule {}
