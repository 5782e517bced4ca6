import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable, Logger } from '@nestjs/common';
import { createTransport, type SendMailOptions } from 'nodemailer';
import { codeOf } from '../problems/error-code.js';
import { AppConfig } from '../config/config.js';

/** How many mails are sent at a time. */
export const SENDERS = 4;

/** Sends a mail: to the mail server of SMTP_URL, or files in DATA_DIR/mail for developers. */
@Injectable()
export class MailTransport {
  private readonly logger = new Logger('Mail');
  private readonly transport;
  private readonly folder: string;

  constructor(private readonly config: AppConfig) {
    const timeout = config.smtpTimeoutMs;
    this.transport = createTransport(
      config.smtpUrl === undefined
        ? { streamTransport: true, buffer: true }
        : {
            url: config.smtpUrl,
            pool: true,
            maxConnections: SENDERS,
            connectionTimeout: timeout,
            greetingTimeout: timeout,
            socketTimeout: timeout,
          },
    );
    this.folder = join(config.dataDir, 'mail');
    if (!this.isUsable) {
      this.logger.warn('There is no SMTP_URL: mails are kept until there is one.');
    }
  }

  /** False in production without a mail server: there no person reads files. */
  get isUsable(): boolean {
    return this.config.smtpUrl !== undefined || !this.config.isProduction;
  }

  /** Resolves when the mail server took the mail, or the file is written. Throws where it did not. */
  async send(id: string, mail: SendMailOptions): Promise<void> {
    const sent: { message?: unknown } = await this.transport.sendMail({
      ...(this.config.smtpUrl === undefined ? readable(mail) : mail),
      from: this.config.mailFrom ?? {
        name: this.config.brandName,
        address: `no-reply@${new URL(this.config.publicUrl).hostname}`,
      },
      // The same at another try, so that mail servers recognise the mail.
      messageId: `<${id}@${new URL(this.config.publicUrl).hostname}>`,
    });
    if (this.config.smtpUrl === undefined && Buffer.isBuffer(sent.message)) {
      const file = join(this.folder, `${new Date().toISOString().replaceAll(':', '-')}-${id}.eml`);
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      // In two steps, so that no reader of the folder finds a file that is not whole yet.
      await writeFile(`${file}.part`, sent.message, { mode: 0o600 });
      await rename(`${file}.part`, file);
      this.logger.log(`A mail was written to ${file}`);
    }
  }

  /** Closes the connections to the mail server. */
  close(): void {
    this.transport.close();
  }
}

/** The same mail with its parts as they are: encoded for a mail server, their lines and links would be cut. */
function readable({ text, html, ...mail }: SendMailOptions): SendMailOptions {
  const part = (contentType: string, content: unknown) =>
    typeof content === 'string'
      ? [{ raw: `Content-Type: ${contentType}; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${content}` }]
      : [];
  return { ...mail, alternatives: [...part('text/plain', text), ...part('text/html', html)] };
}

/**
 * Whether a mail will never be taken: its recipient or content was refused with a 5xx (RFC 5321, 4.2.1), or the address
 * cannot be said in SMTP. Any other refusal is of the server, of us as its client, or of the sender's address, and may be
 * mended.
 */
export function isRefusedForGood(error: unknown): boolean {
  if (!(error instanceof Error && 'command' in error)) {
    return false;
  }
  const isRefused = 'responseCode' in error && Number(error.responseCode) >= 500;
  return (
    (isRefused && ['RCPT TO', 'DATA'].includes(String(error.command))) ||
    (codeOf(error) === 'EENVELOPE' && error.command === 'API')
  );
}
