import { freePort } from './free-port.js';
import { type InstancesOptions, type TestInstances, useInstances } from './instances.js';
import { Mailbox } from './mailbox.js';

interface MailedInstances extends TestInstances {
  mailbox: Mailbox;
}

interface Options extends InstancesOptions {
  /** Whether PUBLIC_URL, with which links begin, leads to the instance itself: for a browser that opens them. */
  readonly isAtPublicUrl?: boolean;
}

/** The service as so many processes, which send their mails to a mail server of the test's own. */
export function useMailedInstances(count: number, { env = {}, isAtPublicUrl, ...options }: Options = {}) {
  const envOf = typeof env === 'function' ? env : () => env;
  const ports: string[] = [];
  let mailbox: Mailbox;

  beforeAll(async () => {
    mailbox = await Mailbox.open();
    while (isAtPublicUrl && ports.length < count) ports.push(String(await freePort()));
  });
  const addressOf = (port: string | undefined): Record<string, string> =>
    port === undefined ? {} : { PORT: port, PUBLIC_URL: `http://127.0.0.1:${port}` };
  const t = useInstances(count, {
    env: (index) => ({ SMTP_URL: mailbox.url, ...addressOf(ports[index]), ...envOf(index) }),
    ...options,
  }) as MailedInstances;
  beforeAll(() => {
    t.mailbox = mailbox;
  });
  // After the instances: hooks run in the order in which they are registered.
  afterAll(() => mailbox?.stop());

  return t;
}
