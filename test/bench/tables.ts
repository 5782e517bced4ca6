/** A table in Markdown as Prettier writes it: the first column to the left, the others to the right. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) => `| ${row.join(' | ')} |`;
  const padded = cells.map((row) =>
    line(widths.map((width, i) => (i === 0 ? (row[i] ?? '').padEnd(width) : (row[i] ?? '').padStart(width)))),
  );
  const rule = line(widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)));
  return [padded[0], rule, ...padded.slice(1)].join('\n');
}

export const whole = (value: number): string => Math.round(value).toLocaleString('en');

/** Microseconds. */
export const micro = (value: number | null): string =>
  value === null ? '–' : value < 100 ? value.toFixed(1) : whole(value);

const TABLE = /^\|.*(?:\n\|.*)*$/gm;

/** A page with other tables in place of its first ones. Throws where one has another head. */
export function replaceTables(page: string, tables: readonly string[]): string {
  const left = tables.values();
  const headOf = (text: string) => (text.split('\n')[0] ?? '').replaceAll(/ +/g, ' ');
  return page.replaceAll(TABLE, (old) => {
    const { value } = left.next();
    if (value !== undefined && headOf(value) !== headOf(old)) {
      throw new Error(`This table is to be replaced by one with the head ${headOf(value)}:\n${old}`);
    }
    return value ?? old;
  });
}
