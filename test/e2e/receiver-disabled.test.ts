import type { ServerResponse } from 'node:http';
import { type AuthResult, someone } from '../support/api.js';
import { signUpStaff } from '../support/clients.js';
import { freePort } from '../support/free-port.js';
import { useMailedInstances } from '../support/mailed-instances.js';
import { TestReceiver } from '../support/receiver.js';
import { until } from '../support/until.js';

let metricsPort: number;
beforeAll(async () => {
  metricsPort = await freePort();
});
const t = useMailedInstances(2, {
  env: (index): Record<string, string> => (index === 0 ? { METRICS_PORT: String(metricsPort) } : {}),
});
const SUBJECTS = { en: 'A receiver is disabled', de: 'Ein Empfänger ist abgeschaltet' };
let staff: AuthResult;
let german: AuthResult;
let receiver: TestReceiver;

beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
  german = (await t.a.register(someone(), { headers: { 'accept-language': 'de' } })).body;
  const former = await signUpStaff(t.a, t.database);
  await t.database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [german.user.id]);
  await t.database.query(`UPDATE users SET disabled_at = now() WHERE id = $1`, [former.user.id]);
  receiver = await TestReceiver.open();
});

afterAll(() => receiver.stop());

const admin = (method: string, path: string, body?: unknown) =>
  t.a.call(method, `/admin/receivers${path}`, { bearer: staff.accessToken, ...(body !== undefined && { body }) });

const whenDisabled = (id: string) =>
  until('it is disabled', async () => {
    const { body } = await admin('GET', `/${id}`);
    return body.disabledAt !== null && body;
  });

const whenMeasured = async (line: string) =>
  until(`the metrics say ${line}`, async () =>
    (await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()).includes(`\n${line}\n`),
  );

/** To whom the mails about a receiver went, once none waits. */
async function mailedAbout(id: string): Promise<string[]> {
  await until('no mail waits', async () => {
    const waiting = await t.database.query(`SELECT FROM mails WHERE kind = 'receiver_disabled'`);
    return waiting.length === 0;
  });
  return t.mailbox.mails.filter(({ text }) => text.includes(id)).map(({ to, subject }) => `${to} ${subject}`);
}

const EVERYBODY = () => [`${staff.user.email} ${SUBJECTS.en}`, `${german.user.email} ${SUBJECTS.de}`];

it('Staff are mailed once of a receiver that is gone, each in their language, though eight answers say so at once', async () => {
  const { body } = await admin('POST', '', { url: receiver.url, kind: 'webhook', events: ['session.revoked'] });
  const held: ServerResponse[] = [];
  receiver.answer = (_, response) => void held.push(response);
  for (let i = 0; i < 8; i++) await t.b.logout((await t.b.signUp()).refreshToken);
  await until('all are under way', () => held.length === 8);
  receiver.answer = (_, response) => response.writeHead(410).end();
  for (const response of held) response.writeHead(410).end();
  expect((await whenDisabled(body.id)).disabledReason).toBe('gone');
  await until('all are put off', async () => {
    const { items } = (await admin('GET', `/${body.id}/deliveries`)).body;
    return items.every(({ status }: { status: number | null }) => status === 410);
  });
  expect((await mailedAbout(body.id)).toSorted()).toEqual(EVERYBODY().toSorted());
  const lines = await t.database.query(
    `SELECT reason FROM audit_events WHERE type = 'receiver_disabled' AND note LIKE $1`,
    [`${body.id} %`],
  );
  expect(lines).toEqual([{ reason: 'gone' }]);
  await whenMeasured('latchkey_receivers_disabled 1');
  // What waits for it is no age that grows: nothing is tried.
  await whenMeasured(`latchkey_receiver_oldest_delivery_seconds{receiver="${body.id}"} 0`);

  // Enabled, and gone again: that is another time.
  await admin('PATCH', `/${body.id}`, { disabled: false });
  await whenDisabled(body.id);
  await until('they are mailed again', async () => (await mailedAbout(body.id)).length === 4);
  await admin('DELETE', `/${body.id}`);
  await whenMeasured('latchkey_receivers_disabled 0');
});

it('One that takes nothing for three days is disabled, and not a moment before; staff who disable it are not mailed', async () => {
  const { body } = await admin('POST', '', { url: receiver.url, kind: 'webhook', events: ['session.expired'] });
  receiver.answer = (_, response) => response.writeHead(500).end();
  await admin('POST', `/${body.id}/test`);
  const failing = await until('it fails', async () => {
    const seen = (await admin('GET', `/${body.id}`)).body;
    return seen.failingSince !== null && seen;
  });
  expect(failing.disabledAt).toBeNull();
  const since = (interval: string) =>
    t.database.query(`UPDATE receivers SET failing_since = now() - $2::interval, retry_at = now() WHERE id = $1`, [
      body.id,
      interval,
    ]);
  const attempts = receiver.received.length;
  await since('2 days 23 hours');
  await admin('POST', `/${body.id}/test`);
  await until('it was tried', () => receiver.received.length > attempts);
  expect((await admin('GET', `/${body.id}`)).body.disabledAt).toBeNull();
  await since('3 days 1 second');
  await admin('POST', `/${body.id}/test`);
  expect((await whenDisabled(body.id)).disabledReason).toBe('failing');
  expect((await mailedAbout(body.id)).toSorted()).toEqual(EVERYBODY().toSorted());

  const other = (await admin('POST', '', { url: receiver.url, kind: 'webhook', events: ['session.expired'] })).body;
  expect((await admin('PATCH', `/${other.id}`, { disabled: true })).body.disabledReason).toBe('staff');
  expect(await mailedAbout(other.id)).toEqual([]);
  // One that staff disabled needs nobody's attention.
  await whenMeasured('latchkey_receivers_disabled 1');
});
