import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { AppConfig } from '../../config/config.js';
import type { Transaction } from '../../database/transaction.js';
import { UsersService } from '../../users/users.service.js';
import { issuerOf } from '../../config/issuer.js';
import type { SubjectIdentifier } from './revocation.dto.js';

/** Finds the users that other services name. */
@Injectable()
export class Subjects {
  constructor(
    private readonly users: UsersService,
    private readonly config: AppConfig,
  ) {}

  /** Locks the row of the user, and returns their id. Null where there is none, or another issuer's is meant. */
  async lock(transaction: Transaction, subject: SubjectIdentifier): Promise<string | null> {
    if (subject.format === 'email') {
      return this.users.lockFound(transaction, { email: inLowerCase(subject.email) });
    }
    if (subject.format === 'iss_sub' && !this.isOurs(subject.iss)) {
      return null;
    }
    const id = subject.format === 'iss_sub' ? subject.sub : subject.id;
    return isUUID(id) ? this.users.lockFound(transaction, { id }) : null;
  }

  // As access tokens name us, or as the metadata do, where that must be a URL.
  private isOurs(issuer: string): boolean {
    return issuer === this.config.jwtIssuer || issuer === issuerOf(this.config);
  }
}

// As addresses of accounts are written: of other alphabets there are none, and some of their letters would become ours.
const inLowerCase = (email: string): string => email.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
