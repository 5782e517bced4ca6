import { Module } from '@nestjs/common';
import { shapeProblemsBelow } from '../problems/problem-shape.js';
import { ServiceClientsModule } from '../service-clients/clients.module.js';
import { IntrospectionModule } from './introspection/introspection.module.js';
import { MetadataController } from './metadata/metadata.controller.js';
import { OAUTH_ERRORS } from './oauth-problem-shape.js';
import { RevocationModule } from './revocation/revocation.module.js';
import { TokenController } from './token/token.controller.js';

// Where it is loaded, as problems are declared: the OpenAPI document is written without a running service.
shapeProblemsBelow('/oauth/', OAUTH_ERRORS);

/** What other services ask and say, as OAuth 2.0 has it. */
@Module({
  imports: [ServiceClientsModule, IntrospectionModule, RevocationModule],
  controllers: [MetadataController, TokenController],
})
export class OAuthModule {}
