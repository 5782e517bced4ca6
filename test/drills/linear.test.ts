import { request } from 'node:http';
import { parseForm } from '../../src/http/form.js';
import { reasonOf } from '../../src/mail/mail-sender.js';
import { describeDevice } from '../../src/sessions/device-label.js';
import { SessionFeed } from '../../src/session-events/session-feed.js';
import { isTooLong } from '../../src/users/password-policy.js';
import { useApp } from '../support/app.js';

// The work of a request grows with its length and no faster, whatever part of it is filled with whatever (IN-07).
// Processor time is compared with itself, at a length and at eight times that: linear work grows by 8 at most, quadratic
// by up to 64. The least of several tries counts, so that a busy machine does not.
const TIMES_AS_LONG = 8;
const TIMES_THE_WORK = 24;
const TRIES = 5;
const NOISE_MICROSECONDS = 200;
const DEAREST = 25;

// Just below the limits of headers, body and address.
const HEADER = 14_000;
const BODY = 16_000;
const ADDRESS = 7800;

type Work = (length: number) => unknown;
type Text = (length: number) => string;

const t = useApp({ TRUST_PROXY: '1' });
let staff: string;

beforeAll(async () => {
  const { accessToken, user } = await t.api.signUp();
  await t.database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [user.id]);
  staff = accessToken;
});

async function microsecondsOf(work: Work, length: number): Promise<number> {
  const startedAt = process.cpuUsage();
  await work(length);
  const { user, system } = process.cpuUsage(startedAt);
  return user + system;
}

async function least(work: Work, length: number): Promise<number> {
  const times: number[] = [];
  while (times.length < TRIES) times.push(await microsecondsOf(work, length));
  return Math.min(...times) + NOISE_MICROSECONDS;
}

/** Whether so long an input makes more work than its length explains. */
async function isDear(work: Work, length: number): Promise<boolean> {
  const long = await least(work, length);
  return long / (await least(work, length / TIMES_AS_LONG)) > TIMES_THE_WORK;
}

/** A filling again and again, and then something that it is not. */
const filled =
  (filling: string, end = ''): Text =>
  (length) =>
    filling.repeat(length / filling.length).slice(0, length - end.length) + end;

const FILLINGS = [...' \ta1.;:=/([{@"\\%,-_+?', 'a ', 'a=', 'a;', '; ', '= ', 'a/', '/ ', '1.', '1_', 'a@', '\\"'];
const TEXTS = FILLINGS.flatMap((filling) => [filled(filling, '"'), filled(filling, 'x')]);
/** What only JSON, and escapes in an address, can carry: marks in the wrong order, wide letters, letters by the thousand. */
const WIDE: Text[] = [
  (length) => `a${'\u0301'.repeat(length / 4)}${'\u0323'.repeat(length / 4)}`,
  (length) => Array.from({ length: length / 3 }, (_, i) => String.fromCharCode(0x4e00 + i)).join(''),
  ...['😀', '\u200f', '\u3000'].map((filling) => filled(filling)),
];

interface Request {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

const send = ({ method = 'GET', path, headers = {}, body }: Request): Promise<void> =>
  new Promise((resolve, reject) => {
    request(t.api.url + path, { method, headers }, (answer) => answer.resume().on('end', resolve))
      .on('error', reject)
      .end(body);
  });

/** Somewhere in a request that takes so much text. */
interface Place {
  readonly length: number;
  readonly texts: readonly Text[];
  readonly send: (text: string) => Promise<void>;
}

const header = (name: string, prefix = '', path = '/auth/logout'): Place => ({
  length: HEADER,
  texts: TEXTS,
  send: (text) => send({ method: path === '/auth/logout' ? 'POST' : 'GET', path, headers: { [name]: prefix + text } }),
});

const address = (path: string): Place => ({
  length: ADDRESS,
  texts: [...TEXTS, ...WIDE],
  send: (text) =>
    send({
      path: path + encodeURIComponent(text).slice(0, ADDRESS).replace(/%.?$/, ''),
      headers: { authorization: `Bearer ${staff}` },
    }),
});

const body = (path: string, write: (text: string) => string, texts: readonly Text[], method = 'POST'): Place => ({
  length: BODY,
  texts,
  send: (text) =>
    send({
      method,
      path,
      headers: { authorization: `Bearer ${staff}`, 'content-type': 'application/json' },
      body: write(text),
    }),
});

const field = (path: string, name: string, others: Record<string, string> = {}, method = 'POST'): Place =>
  body(path, (text) => JSON.stringify({ ...others, [name]: text.slice(0, BODY) }), [...TEXTS, ...WIDE], method);

const email = 'nobody@example.com';
const id = '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61';

const PLACES: Record<string, Place> = {
  'the cookies': header('cookie'),
  'the cookie': header('cookie', 'refresh_token='),
  Authorization: header('authorization'),
  'the access token': header('authorization', 'Bearer '),
  Origin: header('origin', 'http://'),
  'escapes in Origin': {
    length: HEADER,
    texts: WIDE,
    send: (text) =>
      send({
        method: 'POST',
        path: '/auth/logout',
        headers: { origin: `http://${encodeURIComponent(text).slice(0, HEADER)}` },
      }),
  },
  Host: header('host'),
  'Sec-Fetch-Site': header('sec-fetch-site'),
  'Content-Type': header('content-type'),
  'a parameter of Content-Type': header('content-type', 'application/json;'),
  'User-Agent': header('user-agent'),
  'X-Request-Id': header('x-request-id'),
  'X-Forwarded-For': header('x-forwarded-for'),
  'X-Forwarded-Proto': header('x-forwarded-proto'),
  Accept: header('accept', '', '/'),
  Range: header('range', 'bytes=', '/page/page.css'),
  'If-None-Match': header('if-none-match', '', '/page/page.css'),
  'an unknown address': address('/'),
  'an id in the address': address('/admin/users/'),
  'the limit of a page': address('/sessions?limit='),
  'the cursor of a page': address('/sessions?cursor='),
  'an unknown parameter': address('/sessions?'),
  'an address that staff look for': address('/admin/users?email='),
  'a user that staff look for': address('/admin/audit?userId='),
  'a type that staff look for': address('/admin/audit?type='),
  'a time that staff look for': address('/admin/audit?from='),
  'a body': body('/auth/refresh', (text) => text, [
    ...TEXTS,
    filled('{"__proto__":'),
    filled('['),
    (length) => `[${filled('0,')(length - 2)}0]`,
    (length) => `[${filled('{},')(length - 4)}{}]`,
    (length) => JSON.stringify(Object.fromEntries(Array.from({ length: length / 8 }, (_, i) => [i.toString(36), 0]))),
  ]),
  'an e-mail address': field('/auth/password/forgot', 'email'),
  'a password': field('/auth/login', 'password', { email }),
  'a name': field('/auth/register', 'name', { email, password: 'x' }),
  'the name of a device': field(`/sessions/${id}`, 'deviceName', {}, 'PATCH'),
  'a way of delivery': field('/auth/login', 'tokenDelivery', { email, password: '' }),
  'a refresh token': field('/auth/refresh', 'refreshToken'),
  'a mailed token': field('/sessions/disown', 'token'),
  'a reason of staff': field(`/admin/users/${id}/sessions/revoke`, 'reason'),
};

it('The measurement of processor time recognises the quadratic expression that once read cookies', async () => {
  const cookie = /^[ \t]*([^=]*)=(.*?)[ \t]*$/s;
  expect(await isDear((length) => cookie.exec(filled('a= ', 'x')(length)), HEADER)).toBe(false);
  expect(await isDear((length) => cookie.exec(filled(' ', 'x')(length)), HEADER)).toBe(true);
});

it('The work for a request grows no faster than its length, whichever part is long and whatever fills it', async () => {
  const works: { name: string; work: Work; length: number; microseconds: number }[] = [];
  for (const [place, { send: ask, length, texts }] of Object.entries(PLACES)) {
    for (const text of texts) {
      const work: Work = (size) => ask(text(size));
      const name = `${place}, filled with ${JSON.stringify(text(16))}`;
      works.push({ name, work, length, microseconds: await microsecondsOf(work, length) });
    }
  }
  // Whatever is quadratic is among the dearest.
  for (const { name, work, length } of works.toSorted((x, y) => y.microseconds - x.microseconds).slice(0, DEAREST)) {
    expect([name, await isDear(work, length)]).toEqual([name, false]);
  }
}, 120_000);

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => i.toString(36));
const FORMS: Record<string, Text> = {
  'names without a value': (length) => names(length / 4).join('&'),
  'names with a value': (length) => names(length / 6).join('=1&'),
  'names that come twice': (length) =>
    names(length / 8)
      .flatMap((name) => [name, name])
      .join('&'),
  'one name again and again': filled('a=1&'),
  'no names': filled('&'),
  escapes: filled('%61&'),
};

it.each(Object.entries(FORMS))('The work of reading a form of %s grows no faster than its length', async (_, text) => {
  const work: Work = (length) => {
    const form = text(length).slice(0, length);
    for (let i = 0; i < 10; i++) parseForm(form);
  };
  expect(await isDear(work, BODY)).toBe(false);
});

it.each<[string, number, (text: string) => unknown]>([
  ['what a mail server answers', BODY, (text) => reasonOf(new Error(text))],
  ['a user agent', 512, (text) => describeDevice(text)],
  ['a password', BODY, (text) => isTooLong(text)],
  ['Last-Event-ID', HEADER, (text) => t.app.get(SessionFeed).findMissed({ userId: id, readAt: new Date() }, text, [])],
])(
  'The work of reading %s grows no faster than its length',
  async (_, length, read) => {
    // Another text each time, since some are remembered; many, since each is soon read.
    let salt = 0;
    for (const text of [...TEXTS, ...WIDE]) {
      const work: Work = async (size) => {
        for (let i = 0; i < 10; i++) await read(`${text(size)}${salt++}`);
      };
      expect([text(16), await isDear(work, length)]).toEqual([text(16), false]);
    }
  },
  60_000,
);
