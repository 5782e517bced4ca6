import { Injectable } from '@nestjs/common';
import sql, { empty, raw, type Sql } from 'sql-template-tag';
import type { AuditEventType } from '../audit/audit-event.entity.js';
import { Database } from '../database/database.js';
import type { Transaction } from '../database/transaction.js';
import { type PageRequest } from '../http/pagination.js';
import type { RequestSource } from '../http/request-source.js';
import { ACCEPTED_KEY_IDS } from '../keys/keys.sql.js';
import type { ServiceClient } from './service-client.js';

export interface AuthenticatedClient extends ServiceClient {
  readonly secretId: string;
  /** Not within the minute before, or never. */
  readonly isUsedLongAgo: boolean;
}

export interface ClientSecret {
  readonly id: string;
  readonly createdAt: Date;
  readonly lastUsedAt: Date | null;
}

export interface CreatedClient extends ServiceClient {
  readonly createdAt: Date;
}

/** Who changes a client: a member of staff with a request, or a person at the command line. */
export interface ClientChange {
  readonly actorId: string | null;
  readonly source: RequestSource | null;
}

const CLIENT = sql`c.id, c.name, c.scopes, c.created_at AS "createdAt"`;
const SECRET = sql`s.id, s.created_at AS "createdAt", s.last_used_at AS "lastUsedAt"`;

/** Service clients that may call, and their secrets that are valid. One that has ended is found by none of these. */
@Injectable()
export class ServiceClientsRepository {
  constructor(private readonly database: Database) {}

  /** The clients that secrets belong to, by the hashes. Where either has ended, or there is no such secret, there is none. */
  async findBySecrets(secretHashes: readonly Buffer[]): Promise<Map<string, AuthenticatedClient>> {
    const { rows } = await this.database.prepared<AuthenticatedClient & { secretHash: Buffer }>(
      'service_clients_of_secrets',
      sql`SELECT c.id, c.name, c.scopes, s.id AS "secretId", s.secret_hash AS "secretHash",
            (s.last_used_at > now() - interval '1 minute') IS NOT TRUE AS "isUsedLongAgo"
          FROM service_client_secrets s JOIN service_clients c ON c.id = s.client_id
          WHERE s.secret_hash = ANY(${secretHashes}::bytea[]) AND s.ended_at IS NULL AND c.ended_at IS NULL`,
    );
    return new Map(rows.map(({ secretHash, ...client }) => [secretHash.toString('hex'), client]));
  }

  /** A client, if it may call, and a signing key is accepted. Null where either is not so. */
  async findByKey(id: string, keyId: string): Promise<ServiceClient | null> {
    const { rows } = await this.database.query<ServiceClient & { keyIds: string }>(
      sql`SELECT c.id, c.name, c.scopes, ${raw(ACCEPTED_KEY_IDS)} AS "keyIds"
          FROM service_clients c WHERE c.id = ${id} AND c.ended_at IS NULL`,
    );
    const [row] = rows;
    if (!row?.keyIds.split(' ').includes(keyId)) {
      return null;
    }
    return { id: row.id, name: row.name, scopes: row.scopes };
  }

  async recordUses(secretIds: readonly string[]): Promise<void> {
    await this.database.query(
      sql`UPDATE service_client_secrets SET last_used_at = now() WHERE id = ANY(${secretIds}::uuid[])`,
    );
  }

  /** Makes a client with its first secret. Null where one that may call has the name. */
  async insert(
    { name, scopes }: Pick<ServiceClient, 'name' | 'scopes'>,
    secretHash: Buffer,
    change: ClientChange,
  ): Promise<{ client: CreatedClient; secret: ClientSecret } | null> {
    const { rows } = await this.database.query<CreatedClient & { secretId: string }>(sql`
      WITH c AS (
        INSERT INTO service_clients (name, scopes) VALUES (${name}, ${scopes}::text[])
        ON CONFLICT DO NOTHING RETURNING id, name, scopes, created_at
      ), s AS (
        INSERT INTO service_client_secrets (client_id, secret_hash) SELECT id, ${secretHash} FROM c RETURNING id
      ), recorded AS (
        ${recording('service_client_created', sql`concat(c.id, ' ', c.name)`, change, sql`FROM c`)}
      )
      SELECT ${CLIENT}, s.id AS "secretId" FROM c, s`);
    const [row] = rows;
    if (!row) {
      return null;
    }
    const { secretId, ...client } = row;
    return { client, secret: { id: secretId, createdAt: client.createdAt, lastUsedAt: null } };
  }

  /** The newest first. One more than the limit, if there are more. */
  async list({ limit, after }: PageRequest): Promise<CreatedClient[]> {
    const later = after ? sql`AND (c.created_at, c.id) < (${after.createdAt}, ${after.id}::uuid)` : empty;
    const { rows } = await this.database.query<CreatedClient>(sql`
      SELECT ${CLIENT} FROM service_clients c WHERE c.ended_at IS NULL ${later}
      ORDER BY c.created_at DESC, c.id DESC LIMIT ${limit + 1}`);
    return rows;
  }

  /** The valid secrets of these clients, the oldest first. */
  async listSecrets(
    clientIds: readonly string[],
    within: Pick<Transaction, 'query'> = this.database,
  ): Promise<(ClientSecret & { clientId: string })[]> {
    const { rows } = await within.query<ClientSecret & { clientId: string }>(sql`
      SELECT ${SECRET}, s.client_id AS "clientId" FROM service_client_secrets s
      WHERE s.client_id = ANY(${clientIds}::uuid[]) AND s.ended_at IS NULL
      ORDER BY s.created_at, s.id`);
    return rows;
  }

  /** A client that stays as it is until the end of the transaction. Null where there is none. */
  async findLocked(transaction: Transaction, id: string): Promise<CreatedClient | null> {
    const { rows } = await transaction.query<CreatedClient>(
      sql`SELECT ${CLIENT} FROM service_clients c WHERE c.id = ${id} AND c.ended_at IS NULL FOR UPDATE`,
    );
    return rows[0] ?? null;
  }

  async insertSecret(transaction: Transaction, clientId: string, secretHash: Buffer): Promise<ClientSecret> {
    const { rows } = await transaction.query<ClientSecret>(sql`
      INSERT INTO service_client_secrets AS s (client_id, secret_hash) VALUES (${clientId}, ${secretHash})
      RETURNING ${SECRET}`);
    const [secret] = rows;
    if (!secret) {
      throw new Error('The secret of a service client was not inserted.');
    }
    return secret;
  }

  async endSecret(transaction: Transaction, id: string): Promise<void> {
    await transaction.query(sql`UPDATE service_client_secrets SET ended_at = now() WHERE id = ${id}`);
  }

  /** Ends a client and all its secrets. */
  async end(transaction: Transaction, id: string): Promise<void> {
    await transaction.query(sql`UPDATE service_clients SET ended_at = now() WHERE id = ${id}`);
    await transaction.query(
      sql`UPDATE service_client_secrets SET ended_at = now() WHERE client_id = ${id} AND ended_at IS NULL`,
    );
  }

  async record(transaction: Transaction, type: AuditEventType, note: string, change: ClientChange): Promise<void> {
    await transaction.query(recording(type, sql`${note}`, change, empty));
  }
}

/** A line of the audit trail, for each row of what is selected from. */
function recording(type: AuditEventType, note: Sql, { actorId, source }: ClientChange, from: Sql): Sql {
  const { ip = null, userAgent = null, requestId = null } = source ?? {};
  return sql`
    INSERT INTO audit_events (type, outcome, actor_id, note, ip, user_agent, request_id)
    SELECT ${type}, 'success', ${actorId}::uuid, ${note}, ${ip}, ${userAgent}, ${requestId} ${from}`;
}
