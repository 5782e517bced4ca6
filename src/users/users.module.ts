import { Module } from '@nestjs/common';
import sql from 'sql-template-tag';
import { ourEntities } from '../database/data-source.js';
import { Retention } from '../database/retention.js';
import { EmailChange, UNDO_DAYS } from './email-change.entity.js';
import { FormerEmailsRepository } from './former-emails.repository.js';
import { PasswordHasher } from './password-hasher.js';
import { User } from './user.entity.js';
import { UserSearch } from './user-search.js';
import { UsersService } from './users.service.js';

/** Accounts and passwords. */
@Module({
  imports: [ourEntities(User, EmailChange)],
  providers: [UsersService, UserSearch, FormerEmailsRepository, PasswordHasher],
  exports: [UsersService, UserSearch, PasswordHasher],
})
export class UsersModule {
  constructor(retention: Retention) {
    retention.add({
      table: 'email_changes',
      column: 'changed_at',
      before: sql`now() - make_interval(days => ${UNDO_DAYS})`,
    });
  }
}
