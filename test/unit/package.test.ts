import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const read = (path: string) => JSON.parse(readFileSync(path, 'utf8'));

it('Every entry of the package has its types beside it, which the build writes', () => {
  const entries = Object.entries<string | { types: string; default: string }>(read('package.json').exports);
  const typed = entries.flatMap(([, entry]) => (typeof entry === 'string' ? [] : [entry]));
  expect(typed.length).toBeGreaterThan(0);
  for (const { types, default: code } of typed) {
    expect(types).toBe(code.replace(/\.(m?)js$/, '.d.$1ts'));
  }
  // The client is copied as it is.
  const compiled = typed.filter(({ default: code }) => code.endsWith('.js'));
  const sources = compiled.map(({ default: code }) => code.replace('./dist/', 'src/').replace(/\.js$/, '.ts'));
  expect(read('tsconfig.build.json').files.toSorted()).toEqual(sources.toSorted());
});

it('The package has what is built and what is to be read, and neither sources nor tests', () => {
  const [{ files }] = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { encoding: 'utf8' }),
  );
  const paths: string[] = files.map(({ path }: { path: string }) => path);
  expect(paths.filter((path) => !path.startsWith('dist/')).toSorted()).toEqual(
    ['CHANGELOG.md', 'LICENSE', 'README.md', 'openapi.json', 'package.json'].toSorted(),
  );
  expect(paths).toContain('dist/latchkey.js');
  const client = readdirSync('src/client').filter((name) => name.endsWith('mjs') || name.endsWith('.d.mts'));
  expect(paths).toEqual(
    expect.arrayContaining(
      ['client.mjs', 'client.d.mts', ...client.map((name) => `client/${name}`)].map((path) => `dist/${path}`),
    ),
  );
  expect(paths.filter((path) => /(?<!\.d)\.m?ts$|\.map$|\.test\./.test(path))).toEqual([]);
});

it('What an application has in one copy, the package leaves to it', () => {
  const { peerDependencies, dependencies } = read('package.json');
  for (const name of ['@nestjs/common', '@nestjs/core', 'reflect-metadata', 'rxjs', 'typeorm']) {
    expect([name, peerDependencies[name]]).toEqual([name, expect.stringMatching(/^\^/)]);
    expect(dependencies).not.toHaveProperty([name]);
  }
});

// That one belongs to the application.
it('No source file uses the default data source', () => {
  const paths = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
  for (const path of paths.filter((one) => one !== 'database/data-source.ts')) {
    const source = readFileSync(join('src', path), 'utf8');
    expect([path, source.match(/\b(InjectDataSource|InjectRepository|InjectEntityManager|forFeature)\(/)]).toEqual([
      path,
      null,
    ]);
  }
});
