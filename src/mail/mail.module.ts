import { Module } from '@nestjs/common';
import sql from 'sql-template-tag';
import { ourEntities } from '../database/data-source.js';
import { Retention } from '../database/retention.js';
import { Mail } from './mail.entity.js';
import { MailBacklog } from './mail-backlog.js';
import { MailSender } from './mail-sender.js';
import { MailTransport } from './mail-transport.js';
import { MailedToken } from './mailed-token.entity.js';
import { MailedTokens } from './mailed-tokens.js';
import { Outbox } from './outbox.js';

/** Mails to send, and the tokens of their links. */
@Module({
  imports: [ourEntities(Mail, MailedToken)],
  providers: [Outbox, MailBacklog, MailedTokens, MailSender, MailTransport],
  exports: [Outbox, MailBacklog, MailedTokens],
})
export class MailModule {
  constructor(retention: Retention) {
    retention.add({ table: 'mailed_tokens', column: 'expires_at', before: sql`now()` });
  }
}
