import { Module } from '@nestjs/common';
import { shapeProblemsBelow } from '../problems/problem-shape.js';
import { ServiceClientsModule } from './clients/clients.module.js';
import { OAUTH_ERRORS } from './oauth-problem-shape.js';

/** What other services ask and say, as OAuth 2.0 has it. */
@Module({ imports: [ServiceClientsModule] })
export class OAuthModule {
  constructor() {
    shapeProblemsBelow('/oauth/', OAUTH_ERRORS);
  }
}
