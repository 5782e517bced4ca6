import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Sweeper } from '../database/sweeper.js';
import { Mail } from './mail.entity.js';
import { MailBacklog } from './mail-backlog.js';
import { MailSender } from './mail-sender.js';
import { MailTransport } from './mail-transport.js';
import { MailedToken } from './mailed-token.entity.js';
import { MailedTokens } from './mailed-tokens.js';
import { Outbox } from './outbox.js';

/** What goes out by mail, and the tokens that come back from it. */
@Module({
  imports: [TypeOrmModule.forFeature([Mail, MailedToken])],
  providers: [Outbox, MailBacklog, MailedTokens, MailSender, MailTransport],
  exports: [Outbox, MailBacklog, MailedTokens],
})
export class MailModule {
  constructor(sweeper: Sweeper) {
    sweeper.add({ table: 'mailed_tokens', column: 'expires_at', before: 'now()', parameters: [] });
  }
}
