import { Module } from '@nestjs/common';
import { AuthModule } from '../../auth/auth.module.js';
import { KeysModule } from '../../keys/keys.module.js';
import { SessionsModule } from '../../sessions/sessions.module.js';
import { ServiceClientsModule } from '../../service-clients/clients.module.js';
import { IntrospectionController } from './introspection.controller.js';
import { Introspection } from './introspection.service.js';
import { SignedIntrospection } from './signed-introspection.js';
import { VerifyBatchController } from './verify-batch.controller.js';

/** Whether a token is active, for other services. */
@Module({
  imports: [AuthModule, KeysModule, ServiceClientsModule, SessionsModule],
  controllers: [IntrospectionController, VerifyBatchController],
  providers: [Introspection, SignedIntrospection],
})
export class IntrospectionModule {}
