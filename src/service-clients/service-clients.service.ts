import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { Database } from '../database/database.js';
import type { Transaction } from '../database/transaction.js';
import type { PageRequest } from '../http/pagination.js';
import { hashClientSecret, makeClientSecret } from './client-secret.js';
import {
  ClientNameTakenError,
  ClientNotFoundError,
  ClientSecretNotFoundError,
  LastClientSecretError,
  TooManyClientSecretsError,
} from './clients.errors.js';
import type { ServiceClient } from './service-client.js';
import {
  type ClientChange,
  type ClientSecret,
  type CreatedClient,
  ServiceClientsRepository,
} from './service-clients.repository.js';

const SECRETS_MAX = 5;

/** A client with its secrets that are valid. */
export interface ClientWithSecrets extends CreatedClient {
  readonly secrets: readonly ClientSecret[];
}

/** Which other services may call, and with which secrets. Each change is in the audit trail, and is true from its answer on. */
@Injectable()
export class ServiceClients {
  constructor(
    private readonly database: Database,
    private readonly clients: ServiceClientsRepository,
  ) {}

  /** Makes a client. Its secret is in the answer, and nowhere else. Throws {@link ClientNameTakenError}. */
  async add(
    client: Pick<ServiceClient, 'name' | 'scopes'>,
    change: ClientChange,
  ): Promise<{ client: ClientWithSecrets; clientSecret: string }> {
    const clientSecret = makeClientSecret();
    const added = await this.clients.insert(client, hashClientSecret(clientSecret), change);
    if (!added) {
      throw new ClientNameTakenError();
    }
    return { client: { ...added.client, secrets: [added.secret] }, clientSecret };
  }

  /** Those that have not ended, the newest first. */
  async list(page: PageRequest): Promise<{ clients: ClientWithSecrets[]; hasMore: boolean }> {
    const found = await this.clients.list(page);
    const clients = found.slice(0, page.limit);
    const secrets = await this.clients.listSecrets(clients.map(({ id }) => id));
    const secretsOf = (id: string) => secrets.filter(({ clientId }) => clientId === id);
    return {
      clients: clients.map((client) => ({ ...client, secrets: secretsOf(client.id) })),
      hasMore: found.length > page.limit,
    };
  }

  /**
   * Makes another secret, beside those there are: a service changes to it without an interruption. Throws
   * {@link ClientNotFoundError} and {@link TooManyClientSecretsError}.
   */
  async addSecret(id: string, change: ClientChange): Promise<{ secret: ClientSecret; clientSecret: string }> {
    const clientSecret = makeClientSecret();
    const secret = await this.withClient(id, async (transaction, { name }) => {
      if ((await this.clients.listSecrets([id], transaction)).length >= SECRETS_MAX) {
        throw new TooManyClientSecretsError();
      }
      const added = await this.clients.insertSecret(transaction, id, hashClientSecret(clientSecret));
      const note = noteOfSecret({ id, name }, added.id);
      await this.clients.record(transaction, 'service_client_secret_created', note, change);
      return added;
    });
    return { secret, clientSecret };
  }

  /**
   * Ends a secret: from the answer on it is refused. Throws {@link ClientNotFoundError}, {@link ClientSecretNotFoundError},
   * and {@link LastClientSecretError} where the client could not authenticate any more: that is what {@link end} is for.
   */
  async endSecret(id: string, secretId: string, change: ClientChange): Promise<void> {
    await this.withClient(id, async (transaction, { name }) => {
      const secrets = await this.clients.listSecrets([id], transaction);
      if (!secrets.some((secret) => secret.id === secretId)) {
        throw new ClientSecretNotFoundError();
      }
      if (secrets.length === 1) {
        throw new LastClientSecretError();
      }
      await this.clients.endSecret(transaction, secretId);
      const note = noteOfSecret({ id, name }, secretId);
      await this.clients.record(transaction, 'service_client_secret_ended', note, change);
    });
  }

  /** Ends a client: from the answer on all its secrets are refused, for good. Throws {@link ClientNotFoundError}. */
  async end(id: string, change: ClientChange): Promise<void> {
    await this.withClient(id, async (transaction, { name }) => {
      await this.clients.end(transaction, id);
      await this.clients.record(transaction, 'service_client_ended', `${id} ${name}`, change);
    });
  }

  private async withClient<T>(
    id: string,
    work: (transaction: Transaction, client: ServiceClient) => Promise<T>,
  ): Promise<T> {
    if (!isUUID(id)) {
      throw new ClientNotFoundError();
    }
    return this.database.transaction(async (transaction) => {
      const client = await this.clients.findLocked(transaction, id);
      if (!client) {
        throw new ClientNotFoundError();
      }
      return work(transaction, client);
    });
  }
}

const noteOfSecret = ({ id, name }: Pick<ServiceClient, 'id' | 'name'>, secretId: string): string =>
  `${id} ${name}, secret ${secretId}`;
