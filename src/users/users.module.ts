import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Sweeper } from '../database/sweeper.js';
import { EmailChange, UNDO_DAYS } from './email-change.entity.js';
import { PasswordHasher } from './password-hasher.js';
import { User } from './user.entity.js';
import { UsersRepository } from './users.repository.js';
import { UsersService } from './users.service.js';

/** Accounts and passwords. */
@Module({
  imports: [TypeOrmModule.forFeature([User, EmailChange])],
  providers: [UsersService, UsersRepository, PasswordHasher],
  exports: [UsersService, PasswordHasher],
})
export class UsersModule {
  constructor(sweeper: Sweeper) {
    sweeper.add({
      table: 'email_changes',
      column: 'changed_at',
      before: 'now() - make_interval(days => $1)',
      parameters: [UNDO_DAYS],
    });
  }
}
