import { Injectable } from '@nestjs/common';
import type { RequestSource } from '../../http/request-source.js';
import { InsufficientScopeError, InvalidClientError } from '../oauth-errors.js';
import type { ClientCredentials } from './client-credentials.js';
import { ClientFailures } from './client-failures.js';
import { hashClientSecret } from './client-secret.js';
import { ClientSecretUses } from './client-secret-uses.js';
import type { ServiceClientScope } from './service-client.entity.js';
import { type ServiceClient, ServiceClientsRepository } from './service-clients.repository.js';

/** Decides which service client calls. */
@Injectable()
export class ClientAuthentication {
  constructor(
    private readonly clients: ServiceClientsRepository,
    private readonly uses: ClientSecretUses,
    private readonly failures: ClientFailures,
  ) {}

  /**
   * The client whose credentials these are, as it is now: no cache, one statement, and the same one whatever is wrong. Throws
   * {@link InvalidClientError}, or `too_many_requests` after too many of these; {@link InsufficientScopeError} where the
   * client may not do this; and what the database throws, which is no verdict.
   */
  async require(
    { clientId, clientSecret }: ClientCredentials,
    scope: ServiceClientScope,
    source: RequestSource,
  ): Promise<ServiceClient> {
    const found = await this.clients.findBySecret(hashClientSecret(clientSecret));
    if (found?.id !== clientId) {
      await this.failures.count(clientId, source);
      throw new InvalidClientError();
    }
    this.uses.note(found);
    const { id, name, scopes } = found;
    if (!scopes.includes(scope)) {
      await this.failures.recordMissingScope(found, source);
      throw new InsufficientScopeError({ detail: `This service client does not have the scope ${scope}.` });
    }
    return { id, name, scopes };
  }
}
