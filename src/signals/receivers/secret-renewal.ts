import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import sql from 'sql-template-tag';
import { AppConfig } from '../../config/config.js';
import { Database } from '../../database/database.js';
import type { Receiver } from './receiver.entity.js';
import { ReceiverKeys } from './receiver-keys.js';

const RENEW_EVERY_MS = 60_000;

type Secrets = Pick<Receiver, 'id' | 'encryptedSecret' | 'formerSecret' | 'encryptedAuthorization'>;

const SECRETS = sql`SELECT id, encrypted_secret AS "encryptedSecret", former_secret AS "formerSecret",
  encrypted_authorization AS "encryptedAuthorization" FROM receivers`;

/**
 * Encrypts with the first JWT_SECRET what another one did, so that the others can go: within two minutes after the last instance
 * has the new one first, as signing keys are.
 */
@Injectable()
export class SecretRenewal implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(SecretRenewal.name);
  private readonly isNeeded: boolean;
  private timer: NodeJS.Timeout | undefined;
  private renewing: Promise<void> | null = null;

  constructor(
    private readonly database: Database,
    private readonly keys: ReceiverKeys,
    { jwtSecrets }: AppConfig,
  ) {
    this.isNeeded = jwtSecrets.length > 1;
  }

  onApplicationBootstrap(): void {
    if (!this.isNeeded) return;
    const renew = () => {
      this.renewing ??= this.renewAll().finally(() => (this.renewing = null));
    };
    renew();
    // An instance that has the old one first may write with it meanwhile.
    this.timer = setInterval(renew, RENEW_EVERY_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.renewing;
  }

  private async renewAll(): Promise<void> {
    try {
      const { rows } = await this.database.query<Secrets>(SECRETS);
      for (const row of rows) {
        if (this.renewed(row)) await this.renew(row.id);
      }
    } catch (error) {
      this.logger.warn(`Could not encrypt the secrets of receivers anew, trying again: ${String(error)}`);
    }
  }

  private renew(id: string): Promise<void> {
    return this.database.transaction(async (transaction) => {
      const { rows } = await transaction.query<Secrets>(sql`${SECRETS} WHERE id = ${id} FOR NO KEY UPDATE`);
      const renewed = rows[0] && this.renewed(rows[0]);
      if (renewed) {
        await transaction.query(sql`
          UPDATE receivers SET encrypted_secret = ${renewed.encryptedSecret}, former_secret = ${renewed.formerSecret},
            encrypted_authorization = ${renewed.encryptedAuthorization}
          WHERE id = ${id}`);
      }
    });
  }

  /** The same secrets, each encrypted with the first. Null where nothing is to be changed. */
  private renewed({ id, ...secrets }: Secrets): Omit<Secrets, 'id'> | null {
    const encryptedSecret = this.renewedOne(id, secrets.encryptedSecret);
    const formerSecret = this.renewedOne(id, secrets.formerSecret);
    const encryptedAuthorization = this.renewedOne(id, secrets.encryptedAuthorization);
    const isSame =
      encryptedSecret === secrets.encryptedSecret &&
      formerSecret === secrets.formerSecret &&
      encryptedAuthorization === secrets.encryptedAuthorization;
    return isSame ? null : { encryptedSecret, formerSecret, encryptedAuthorization };
  }

  /** What none of our secrets decrypts stays as it is. */
  private renewedOne(id: string, encrypted: Buffer | null): Buffer | null {
    const decrypted = encrypted && this.keys.decrypt(id, encrypted);
    return decrypted && !decrypted.isByFirst ? this.keys.encrypt(id, decrypted.content) : encrypted;
  }
}
