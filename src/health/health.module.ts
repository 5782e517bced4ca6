import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { DatabaseState } from './database-state.js';
import { HealthController } from './health.controller.js';
import { Readiness } from '../http/readiness.js';

/** Live? Ready? */
@Module({
  imports: [TerminusModule.forRoot({ logger: false })],
  controllers: [HealthController],
  providers: [DatabaseState, Readiness],
  exports: [Readiness],
})
export class HealthModule {}
