import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { AppConfig } from '../config/config.js';
import type { Mail } from './mail.entity.js';
import { purposeOf, wordsOf } from './mail-text.js';
import { MailTransport } from './mail-transport.js';
import { MailedTokens } from './mailed-tokens.js';

const LOOK_EVERY_MS = 1000;
const MOST_SECONDS_BETWEEN = 3600;
const GIVE_UP_AFTER_DAYS = 3;

/**
 * Sends what is in the outbox, from any number of instances: each mail is claimed by one for as long as an attempt may
 * take, and comes free again if that instance dies. What fails is tried again, less and less often, for three days. A
 * token is made when its mail is sent, so that none is ever stored.
 */
@Injectable()
export class MailSender implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(MailSender.name);
  // Sent, but the database could not be told so yet.
  private readonly sent = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
  private working: Promise<void> = Promise.resolve();
  private isStopping = false;

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly transport: MailTransport,
    private readonly tokens: MailedTokens,
    private readonly config: AppConfig,
  ) {}

  onApplicationBootstrap(): void {
    if (this.transport.isUsable) {
      this.schedule();
    }
  }

  async onApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    clearTimeout(this.timer);
    await this.working;
  }

  private schedule(): void {
    this.timer = setTimeout(() => {
      this.working = this.sendAll().finally(() => this.isStopping || this.schedule());
    }, LOOK_EVERY_MS).unref();
  }

  private async sendAll(): Promise<void> {
    try {
      for (const id of this.sent) {
        await this.forget(id);
      }
      while (!this.isStopping && (await this.sendNext())) {
        // and the next
      }
    } catch (error) {
      this.logger.warn(`Could not send what is in the outbox, trying again: ${String(error)}`);
    }
  }

  // Whether there was one to send and it was sent. Where one fails the others can wait: it is the mail server, mostly.
  private async sendNext(): Promise<boolean> {
    // Twice what an attempt may take: connecting, and then talking.
    const claimSeconds = (2 * 2 * this.config.smtpTimeoutMs) / 1000;
    const [[mail]] = await this.dataSource.query<[Mail[], number]>(
      `UPDATE mails SET attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $1::double precision)
       WHERE id = (SELECT id FROM mails WHERE next_attempt_at <= now() AND id <> ALL($2::uuid[])
                   ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED)
       RETURNING id, kind, recipient, user_id AS "userId", session_id AS "sessionId", details, attempts,
         created_at AS "createdAt", next_attempt_at AS "nextAttemptAt"`,
      [claimSeconds, [...this.sent]],
    );
    if (!mail) {
      return false;
    }
    try {
      await this.send(mail);
    } catch (error) {
      await this.putOff(mail, error);
      return false;
    }
    this.sent.add(mail.id);
    await this.forget(mail.id);
    return true;
  }

  private async send(mail: Mail): Promise<void> {
    const token = await this.tokens.mint(mail);
    if (token === null && purposeOf(mail) !== null) {
      // Withdrawn since, or about an address that the account no longer has: there is nothing to say.
      return;
    }
    await this.transport.send(mail.id, {
      to: mail.recipient,
      ...wordsOf(mail, { token, publicUrl: this.config.publicUrl }),
    });
  }

  private async forget(id: string): Promise<void> {
    await this.dataSource.query('DELETE FROM mails WHERE id = $1', [id]);
    this.sent.delete(id);
  }

  private async putOff({ id, kind, attempts }: Mail, error: unknown): Promise<void> {
    const seconds = Math.min(2 ** attempts, MOST_SECONDS_BETWEEN);
    const [gone] = await this.dataSource.query<[unknown[], number]>(
      `WITH given_up AS (
         DELETE FROM mails WHERE id = $1 AND created_at < now() - make_interval(days => $3)
         RETURNING user_id
       ), recorded AS (
         INSERT INTO audit_events (type, outcome, user_id, reason)
         SELECT 'mail_given_up', 'failure', user_id, $4 FROM given_up RETURNING 1
       )
       UPDATE mails SET next_attempt_at = now() + make_interval(secs => $2::double precision)
       WHERE id = $1 AND NOT EXISTS (SELECT FROM given_up) RETURNING id`,
      [id, seconds, GIVE_UP_AFTER_DAYS, kind],
    );
    this.logger.warn(
      `A mail (${kind}, ${id}) could not be sent, ${gone.length > 0 ? `again in ${seconds} s` : 'given up'}: ${reasonOf(error)}`,
    );
  }
}

// The answer of a mail server names the recipient; a log need not.
const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message.replace(/\S+@\S+/g, '[address]') : String(error);
