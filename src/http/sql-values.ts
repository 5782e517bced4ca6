// What PostgreSQL can hold of what comes from outside: an error of its own would be a 500 (IN-08).

// RFC 3339, its date alone, or a time without an offset, which is UTC.
const TIME = /^(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?(Z|[+-]\d{2}:\d{2})?$/;
const YEAR_OF_FOUR_DIGITS = /^(?!0000)\d{4}-/;

/** Whether a text is one to PostgreSQL, which knows no U+0000, and where a lone surrogate would become another character. */
export const isSqlText = (text: string): boolean => !text.includes('\u0000') && text.isWellFormed();

/** A time as statements take it: UTC, to the millisecond. Null for what is no time of the years 1 to 9999. */
export function sqlTime(text: string): string | null {
  const [, date, time, , , offset = 'Z'] = TIME.exec(text) ?? [];
  // A day that its month does not have becomes one of the next.
  if (date === undefined || isoOf(date)?.slice(0, date.length) !== date) {
    return null;
  }
  const iso = isoOf(time === undefined ? date : `${date}${time}${offset}`);
  return iso !== null && YEAR_OF_FOUR_DIGITS.test(iso) ? iso : null;
}

function isoOf(text: string): string | null {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? null : time.toISOString();
}
