import { existsSync, readFileSync } from 'node:fs';

const readme = readFileSync('README.md', 'utf8');

it('names only tests that are there', () => {
  const [, table = ''] = /### Requirements and their tests([^]*?)\n### /.exec(readme) ?? [];
  const [, faults = ''] = /### Faults([^]*?)\n## /.exec(readme) ?? [];
  const cells = `${table}${faults}`
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').at(-2)!);
  const named = cells.flatMap((cell) => [...cell.matchAll(/`([\w-]+)`/g)].map(([, name]) => name!));
  expect(named.length).toBeGreaterThan(50);
  const missing = named.filter(
    (name) => !['e2e', 'unit', 'nginx', 'pgbouncer'].some((folder) => existsSync(`test/${folder}/${name}.test.ts`)),
  );
  expect(missing).toEqual([]);
});

it('names only scripts that package.json has', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
  const named = new Set([...readme.matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => name!));
  expect([...named].filter((name) => !(name in scripts))).toEqual([]);
});
