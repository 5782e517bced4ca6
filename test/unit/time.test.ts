import { types } from 'pg';
import { TIMES_AS_WRITTEN } from '../../src/database/time.js';

const { TIMESTAMPTZ, INT4 } = types.builtins;
const read = TIMES_AS_WRITTEN.getTypeParser(TIMESTAMPTZ);
const readDate = types.getTypeParser(TIMESTAMPTZ);

// As PostgreSQL writes them: trailing zeros are left out, and now() has microseconds.
const WRITTEN = {
  '2026-11-28 13:48:05.123+00': '2026-11-28T13:48:05.123Z',
  '2026-11-28 13:48:05.12+00': '2026-11-28T13:48:05.120Z',
  '2026-11-28 13:48:05.1+00': '2026-11-28T13:48:05.100Z',
  '2026-11-28 13:48:05+00': '2026-11-28T13:48:05.000Z',
  '2026-11-28 13:48:05.003+00': '2026-11-28T13:48:05.003Z',
  '2026-11-28 13:48:05.123999+00': '2026-11-28T13:48:05.123Z',
  '2026-11-28 00:00:00.000001+00': '2026-11-28T00:00:00.000Z',
  '0099-12-31 23:59:59.999+00': '0099-12-31T23:59:59.999Z',
  '1969-12-31 23:59:59.5+00': '1969-12-31T23:59:59.500Z',
  // Behind a pooler the connection has the time zone of the role.
  '2026-11-28 14:48:05.123+01': '2026-11-28T13:48:05.123Z',
  '2026-11-28 19:18:05.12+05:30': '2026-11-28T13:48:05.120Z',
  '2026-11-28 03:48:05.123456-10': '2026-11-28T13:48:05.123Z',
  '1890-01-01 00:53:28+00:53:28': '1890-01-01T00:00:00.000Z',
  '10000-01-01 00:00:00+00': '+010000-01-01T00:00:00.000Z',
  '0044-03-15 12:00:00+00 BC': '-000043-03-15T12:00:00.000Z',
};

it.each(Object.entries(WRITTEN))('%s leaves as %s, and is the moment that the driver reads', (written, iso) => {
  const time = read(written);
  expect(time.toISOString()).toBe(iso);
  expect(JSON.stringify({ time })).toBe(JSON.stringify({ time: new Date(iso) }));
  expect(time >= new Date(iso) && time <= new Date(iso)).toBe(true);
  expect(time.getTime()).toBe(Date.parse(iso));
  expect(time.getTime()).toBe(readDate(written).getTime());
});

it('Everything but times is read as by the driver', () => {
  expect(TIMES_AS_WRITTEN.getTypeParser(INT4)('7')).toBe(7);
});
