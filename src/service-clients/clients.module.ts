import { Module } from '@nestjs/common';
import sql from 'sql-template-tag';
import { ourEntities } from '../database/data-source.js';
import { Retention } from '../database/retention.js';
import { KeysModule } from '../keys/keys.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { ClientAuthentication } from './client-authentication.js';
import { ClientFailures } from './client-failures.js';
import { ClientTokens } from './client-tokens.js';
import { ClientSecretUses } from './client-secret-uses.js';
import { ClientsController } from './clients.controller.js';
import { ServiceClientRow } from './service-client.entity.js';
import { ServiceClientSecretRow } from './service-client-secret.entity.js';
import { ServiceClients } from './service-clients.service.js';
import { ServiceClientsRepository } from './service-clients.repository.js';

const ENDED_KEPT_DAYS = 90;

/** Other services, each with secrets of its own: features that answer them or notify them build on it. */
@Module({
  imports: [KeysModule, ourEntities(ServiceClientRow, ServiceClientSecretRow), LimitsModule],
  controllers: [ClientsController],
  providers: [
    ServiceClients,
    ServiceClientsRepository,
    ClientAuthentication,
    ClientFailures,
    ClientSecretUses,
    ClientTokens,
  ],
  exports: [ClientAuthentication, ClientTokens],
})
export class ServiceClientsModule {
  constructor(retention: Retention) {
    for (const table of ['service_clients', 'service_client_secrets']) {
      retention.add({ table, column: 'ended_at', before: sql`now() - make_interval(days => ${ENDED_KEPT_DAYS})` });
    }
  }
}
