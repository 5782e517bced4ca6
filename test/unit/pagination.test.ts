import { pageOf, requestedPage, requestedTextPage, START, textPageOf } from '../../src/http/pagination.js';

const LAST = { createdAt: new Date('2026-11-23T09:30:00.123Z'), id: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61' };
const cursorOf = (text: string) => Buffer.from(text).toString('base64url');

it.each([
  ['the last row of a page', LAST],
  ['the start', START],
])('The cursor of %s is read back as the same position', (_, position) => {
  const { nextCursor } = pageOf(['a'], true, position);
  expect(requestedPage({ limit: 1, cursor: nextCursor! })).toEqual({
    limit: 1,
    after: { createdAt: position.createdAt.toISOString(), id: position.id },
  });
});

it('A request without a cursor asks for a list from its start', () => {
  expect(requestedPage({ limit: 50 })).toEqual({ limit: 50 });
});

it('The last page and an empty page have no next cursor', () => {
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
  ['a time and an id with something after them', cursorOf(`2026-11-23T09:30:00.123Z ${LAST.id} 1`)],
  ['a time and an id with padding', `${cursorOf(`2026-11-23T09:30:00.123Z ${LAST.id}`)}=`],
  ...['2020-W01-1', '2020', '2020-01-01T00:00:00,5Z', '20200101', '2020-001', '2020-01-01T00:00:00.000Z '].map(
    (time) => [`the time ${time}, as the service never writes one, and an id`, cursorOf(`${time} ${LAST.id}`)],
  ),
])('A cursor that is %s is refused', (_, cursor) => {
  expect(() => requestedPage({ limit: 50, cursor })).toThrow('Some fields are missing');
});

it.each(['ada@example.com', 'é@example.com', `${'a'.repeat(242)}@example.com`])(
  'The cursor of a page that ends with %s is read back as the same text',
  (text) => {
    const { nextCursor } = textPageOf(['a'], true, text);
    expect(requestedTextPage({ limit: 1, cursor: nextCursor! })).toEqual({ limit: 1, after: text });
    expect(() => requestedPage({ limit: 1, cursor: nextCursor! })).toThrow();
  },
);

it('The last page and an empty page of texts have no next cursor', () => {
  expect(textPageOf(['a'], false, 'ada@example.com').nextCursor).toBeNull();
  expect(textPageOf([], true, undefined).nextCursor).toBeNull();
});

it.each([
  ['nothing', ''],
  ['no text', cursorOf(':')],
  ['a position', cursorOf(`2026-11-23T09:30:00.123Z ${LAST.id}`)],
  ['a text without its mark', cursorOf('ada@example.com')],
  ['a character that PostgreSQL has not', cursorOf(':a\0')],
  ['half of a character', Buffer.from(':\xe9', 'latin1').toString('base64url')],
  ['a text that is too long', cursorOf(`:${'a'.repeat(255)}`)],
])('A cursor with %s is refused where a list is ordered by a text', (_, cursor) => {
  expect(() => requestedTextPage({ limit: 1, cursor })).toThrow(
    expect.objectContaining({ errors: [expect.objectContaining({ field: 'cursor' })] }),
  );
});
