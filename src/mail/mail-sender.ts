import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import sql, { type Sql } from 'sql-template-tag';
import { AppConfig } from '../config/config.js';
import { Database } from '../database/database.js';
import { OutboxSender, type OutboxTable } from '../database/outbox/outbox-sender.js';
import type { Mail } from './mail.entity.js';
import { purposeOf, WORTH_SENDING_SECONDS } from './mail-kinds.js';
import { wordsOf } from './mail-text.js';
import { isRefusedForGood, MailTransport, SENDERS } from './mail-transport.js';
import { MailedTokens } from './mailed-tokens.js';

const GIVE_UP_EVERY_MS = 10_000;
const MOST_SECONDS_BETWEEN = 3600;
const GIVEN_UP_AT_ONCE = 1000;

/**
 * Sends what is in the outbox. What fails is tried again, less and less often. What is refused for good is given up at once, and
 * so is a mail that is no longer worth sending: after three days, or as soon as its link would not work any more. A token is made
 * when its mail is sent, so that none is ever stored.
 */
@Injectable()
export class MailSender implements OutboxTable<Mail>, OnApplicationBootstrap, OnApplicationShutdown {
  readonly name = 'mails';
  readonly most = SENDERS;
  private readonly logger = new Logger(MailSender.name);
  private readonly sender = new OutboxSender<Mail>(this);
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: Database,
    private readonly transport: MailTransport,
    private readonly tokens: MailedTokens,
    private readonly config: AppConfig,
  ) {}

  onApplicationBootstrap(): void {
    this.sender.start();
    this.timer = setInterval(() => void this.giveUpOverdue(), GIVE_UP_EVERY_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.sender.stop();
    this.transport.close();
  }

  isUsable(): boolean {
    return this.transport.isUsable;
  }

  async claim(free: number, underWay: readonly Mail[]): Promise<readonly Mail[]> {
    // Twice what an attempt may take: connecting, and then talking.
    const claimSeconds = (2 * 2 * this.config.smtpTimeoutMs) / 1000;
    const { rows } = await this.database.query<Mail>(
      sql`WITH due AS MATERIALIZED (
            SELECT id FROM mails WHERE next_attempt_at <= now() AND id <> ALL(${underWay.map(({ id }) => id)}::uuid[])
            ORDER BY next_attempt_at LIMIT ${free} FOR UPDATE SKIP LOCKED
          )
          UPDATE mails SET attempts = attempts + 1, next_attempt_at = ${secondsFromNow(claimSeconds)}
          WHERE id IN (SELECT id FROM due)
          RETURNING id, kind, recipient, user_id AS "userId", session_id AS "sessionId", details, language,
            is_confirmed AS "isConfirmed", attempts, created_at AS "createdAt", next_attempt_at AS "nextAttemptAt"`,
    );
    return rows;
  }

  async send(mail: Mail): Promise<void> {
    const token = await this.tokens.mint(mail);
    if (token === null && purposeOf(mail) !== null) {
      // Withdrawn since, or about an address that the account no longer has: there is nothing to say.
      return;
    }
    await this.transport.send(mail.id, {
      to: mail.recipient,
      ...wordsOf(mail, token, this.config),
    });
  }

  async settle(mails: readonly Mail[]): Promise<void> {
    await this.database.query(sql`DELETE FROM mails WHERE id = ANY(${mails.map(({ id }) => id)}::uuid[])`);
  }

  // Where one mail fails the others can wait: it is the mail server, mostly. Not so where it was refused for good.
  async putOff(mail: Mail, error: unknown): Promise<boolean> {
    if (isRefusedForGood(error)) {
      await this.giveUp(mail, error);
      return true;
    }
    const { id, kind, attempts } = mail;
    const seconds = Math.min(2 ** attempts, MOST_SECONDS_BETWEEN);
    await this.database.query(sql`UPDATE mails SET next_attempt_at = ${secondsFromNow(seconds)} WHERE id = ${id}`);
    this.logger.warn(`A mail (${kind}, ${id}) could not be sent, again in ${seconds} s: ${reasonOf(error)}`);
    return false;
  }

  private async giveUp({ id, kind }: Mail, error: unknown): Promise<void> {
    await this.database.query(givenUp(sql`id = ${id}`));
    this.logger.warn(`A mail (${kind}, ${id}) was refused for good, and is given up: ${reasonOf(error)}`);
  }

  /** Gives up mails that are no longer worth sending, also where there is no mail server to send them. */
  private async giveUpOverdue(): Promise<void> {
    const kinds = WORTH_SENDING_SECONDS.map(([kind]) => kind);
    const seconds = WORTH_SENDING_SECONDS.map(([, worthSeconds]) => worthSeconds);
    const isOverdue = sql`id IN (
      SELECT m.id FROM mails m
      JOIN unnest(${kinds}::text[], ${seconds}::double precision[]) AS worth (kind, seconds) USING (kind)
      WHERE m.created_at < now() - make_interval(secs => worth.seconds)
      LIMIT ${GIVEN_UP_AT_ONCE} FOR UPDATE OF m SKIP LOCKED
    )`;
    try {
      const { rowCount: count } = await this.database.query(givenUp(isOverdue));
      if (count > 0) {
        this.logger.warn(`${count} mails could not be sent while they were worth it, and are given up`);
      }
    } catch (error) {
      this.logger.warn(`Could not give up mails that are overdue, trying again: ${String(error)}`);
    }
  }
}

const secondsFromNow = (seconds: number): Sql => sql`now() + make_interval(secs => ${seconds}::double precision)`;

const givenUp = (condition: Sql): Sql => sql`WITH given_up AS (
    DELETE FROM mails WHERE ${condition} RETURNING user_id, kind
  )
  INSERT INTO audit_events (type, outcome, user_id, reason)
  SELECT 'mail_given_up', 'failure', user_id, kind FROM given_up`;

// The answer of a mail server names the recipient; a log need not. Word by word: an expression for the whole of an address
// begins anew at each character (IN-07).
export const reasonOf = (error: unknown): string =>
  error instanceof Error
    ? error.message
        .split(/\s+/)
        .map((word) => (word.includes('@') ? '[address]' : word))
        .join(' ')
    : String(error);
