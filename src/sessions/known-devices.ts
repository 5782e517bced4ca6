import { Injectable } from '@nestjs/common';
import sql from 'sql-template-tag';
import type { Transaction } from '../database/transaction.js';

/** How long a device is known after it signed in. */
export const DEVICE_KNOWN_DAYS = 90;

/** The devices from which users have signed in. Opening a session adds to them. */
@Injectable()
export class KnownDevices {
  /** Forgets those of a user: the next sign-in of each is reported by mail again. */
  async forget(transaction: Transaction, userId: string): Promise<void> {
    await transaction.query(sql`DELETE FROM known_devices WHERE user_id = ${userId}`);
  }
}
