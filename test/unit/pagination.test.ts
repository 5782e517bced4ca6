import { pageOf, requestedPage, START } from '../../src/http/pagination.js';

const LAST = { createdAt: new Date('2026-11-23T09:30:00.123Z'), id: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61' };
const cursorOf = (text: string) => Buffer.from(text).toString('base64url');

it.each([
  ['the last row of a page', LAST],
  ['the start', START],
])('reads the cursor that it made of %s', (_, position) => {
  const { nextCursor } = pageOf(['a'], true, position);
  expect(requestedPage({ limit: 1, cursor: nextCursor! })).toEqual({
    limit: 1,
    after: { createdAt: position.createdAt.toISOString(), id: position.id },
  });
});

it('asks for a list from its start where no cursor was sent', () => {
  expect(requestedPage({ limit: 50 })).toEqual({ limit: 50 });
});

it('gives no cursor with the last page, nor with an empty one', () => {
  expect(pageOf(['a'], false, LAST)).toEqual({ items: ['a'], nextCursor: null });
  expect(pageOf([], true, undefined)).toEqual({ items: [], nextCursor: null });
});

it.each([
  ['nothing', ''],
  ['no base64url', '?'],
  ['a time alone', cursorOf('2026-11-23T09:30:00.123Z')],
  ['an id alone', cursorOf(` ${LAST.id}`)],
  ['a time without milliseconds', cursorOf(`2026-11-23T09:30:00Z ${LAST.id}`)],
  ['a day that its month does not have', cursorOf(`2026-02-30T09:30:00.123Z ${LAST.id}`)],
  ['an id that is none', cursorOf('2026-11-23T09:30:00.123Z 1')],
  ['something after the id', cursorOf(`2026-11-23T09:30:00.123Z ${LAST.id} 1`)],
  ['padding', `${cursorOf(`2026-11-23T09:30:00.123Z ${LAST.id}`)}=`],
])('refuses a cursor that is %s', (_, cursor) => {
  expect(() => requestedPage({ limit: 50, cursor })).toThrow('Some fields are missing');
});
