import { execFileSync } from 'node:child_process';
import { replaceTables, table } from '../bench/tables.js';

const old = table(['what', 'µs'], [['refresh', 1]]);

describe('the tables of the benchmark', () => {
  it('are as Prettier leaves them, so that they can be pasted', () => {
    const text = table(
      ['call', 'µs'],
      [
        ['a refresh', 432],
        ['logout', '1,440.0'],
        ['–', ''],
      ],
    );
    const formatted = execFileSync('node_modules/.bin/prettier', ['--stdin-filepath', 'page.md'], {
      input: `${text}\n`,
    });
    expect(formatted.toString()).toBe(`${text}\n`);
  });

  it('take the place of those of a page, in their order, and leave the rest', () => {
    const other = table(['and', 'ms'], [['one', 2]]);
    const last = table(['last', ''], [['one', 3]]);
    const page = (first: string, second: string) => `# Page\n\n${first}\n\nText | text.\n\n${second}\n\n${last}\n`;
    const tables = [table(['what', 'µs'], [['a whole refresh', 180]]), table(['and', 'ms'], [['more', 20]])];
    expect(replaceTables(page(old, other), tables)).toBe(page(tables[0]!, tables[1]!));
  });

  it('take no place of a table with other columns', () => {
    expect(() => replaceTables(old, [table(['what', 'ms'], [['refresh', 1]])])).toThrow('| what | ms |');
  });
});
