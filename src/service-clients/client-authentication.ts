import { Injectable, Logger } from '@nestjs/common';
import { AppConfig } from '../config/config.js';
import { Gathering } from '../database/gathering.js';
import type { RequestSource } from '../http/request-source.js';
import { ServiceUnavailableError } from '../problems/problem.js';
import { within } from '../problems/within.js';
import { InsufficientScopeError, InvalidClientError } from './oauth-errors.js';
import type { ClientCredentials } from './client-credentials.js';
import { ClientFailures } from './client-failures.js';
import { hashClientSecret } from './client-secret.js';
import { ClientSecretUses } from './client-secret-uses.js';
import type { ServiceClient } from './service-client.js';
import type { ServiceClientScope } from './service-client.entity.js';
import { type AuthenticatedClient, ServiceClientsRepository } from './service-clients.repository.js';

interface Lookup {
  readonly secretHash: Buffer;
  readonly resolve: (client: AuthenticatedClient | null) => void;
  readonly reject: (error: Error) => void;
}

/** Decides which service client calls. */
@Injectable()
export class ClientAuthentication {
  private readonly logger = new Logger(ClientAuthentication.name);
  private readonly lookups = new Gathering<Lookup>((lookups) => this.answer(lookups));

  constructor(
    private readonly clients: ServiceClientsRepository,
    private readonly uses: ClientSecretUses,
    private readonly failures: ClientFailures,
    private readonly config: AppConfig,
  ) {}

  /**
   * The client whose credentials these are, as it is now: no cache, and one statement, which all share that wait for it.
   * It is the same one whatever is wrong. Throws
   * {@link InvalidClientError}, or `too_many_requests` after too many of these; {@link InsufficientScopeError} where the
   * client may not do this; and what the database throws, which is no verdict.
   */
  async require(
    { clientId, clientSecret }: ClientCredentials,
    scope: ServiceClientScope,
    source: RequestSource,
  ): Promise<ServiceClient> {
    const found = await this.find(hashClientSecret(clientSecret));
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

  private find(secretHash: Buffer): Promise<AuthenticatedClient | null> {
    return new Promise((resolve, reject) => {
      this.lookups.add({ secretHash, resolve, reject });
    });
  }

  private async answer(lookups: readonly Lookup[]): Promise<void> {
    const hashes = new Map(lookups.map(({ secretHash }) => [secretHash.toString('hex'), secretHash]));
    try {
      // As long as a session check may take, since a proxy waits for the answer: a request waits for the statement before
      // its own, and then for its own, half of it for each.
      const found = await within(
        this.config.sessionCheckTimeoutMs / 2,
        this.clients.findBySecrets([...hashes.values()]),
      );
      for (const { secretHash, resolve } of lookups) {
        resolve(found.get(secretHash.toString('hex')) ?? null);
      }
    } catch (error) {
      this.logger.warn(`${lookups.length} service clients could not be looked up: ${String(error)}`);
      for (const { reject } of lookups) {
        reject(new ServiceUnavailableError());
      }
    }
  }
}
