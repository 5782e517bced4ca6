import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from './free-port.js';
import { until } from './until.js';

export interface ReceivedMail {
  readonly to: string;
  readonly from: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly messageId: string;
}

/** A real mail server, and everything it took. */
export class Mailbox {
  readonly mails: ReceivedMail[] = [];
  /** How many it was handed at the same moment, at most. */
  mostAtOnce = 0;
  private child: ChildProcess | undefined;

  private constructor(private readonly port: number) {}

  static async open(): Promise<Mailbox> {
    const mailbox = new Mailbox(await freePort());
    await mailbox.start();
    return mailbox;
  }

  get url(): string {
    return `smtp://127.0.0.1:${this.port}`;
  }

  async start({ isSlow = false } = {}): Promise<void> {
    this.mostAtOnce = 0;
    const child = spawn(process.execPath, ['test/support/smtp.mjs', String(this.port), isSlow ? 'slow' : 'fast'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.child = child;
    let buffer = '';
    child.stdout.on('data', (chunk: Buffer) => {
      const lines = (buffer + chunk.toString()).split('\n');
      buffer = lines.pop()!;
      for (const { mail, atOnce = 0 } of lines.map((line) => JSON.parse(line))) {
        if (mail) this.mails.push(mail);
        this.mostAtOnce = Math.max(this.mostAtOnce, atOnce);
      }
    });
    await once(child.stdout, 'data');
  }

  async stop(): Promise<void> {
    const gone = once(this.child!, 'exit');
    this.child!.kill('SIGKILL');
    await gone;
  }

  /** The mails to an address with a subject, once there are so many. */
  async await(to: string, subject: string, count = 1): Promise<ReceivedMail[]> {
    return until(
      `${count} mails "${subject}" to ${to}`,
      () => {
        const found = this.mails.filter((mail) => mail.to === to && mail.subject === subject);
        return Promise.resolve(found.length >= count && found);
      },
      30,
    );
  }

  /** The token in the link of the latest mail to an address with a subject. */
  async tokenFor(to: string, subject: string, count = 1): Promise<string> {
    const mails = await this.await(to, subject, count);
    return /\?token=([\w-]+)/.exec(mails.at(-1)!.text)![1]!;
  }
}

export const SUBJECTS = {
  verification: 'Confirm your e-mail address',
  reset: 'Set a new password',
  changed: 'Your password was changed',
  newDevice: 'A new device signed in',
  confirmChange: 'Confirm your new e-mail address',
  addressChanged: 'Your e-mail address was changed',
  changedBack: 'Your e-mail address was changed back',
  reused: 'A device was logged out for safety',
} as const;
