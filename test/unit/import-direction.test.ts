import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** Checks a copy of the sources with one file planted in it. Returns what the checker found wrong. */
function findingsWith(path: string, source: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-test-'));
  for (const name of ['src', 'package.json', 'tsconfig.json', '.dependency-cruiser.cjs']) {
    cpSync(name, join(folder, name), { recursive: true });
  }
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, path), source);
  const { status, stdout } = spawnSync(
    process.execPath,
    ['node_modules/dependency-cruiser/bin/dependency-cruise.mjs', 'src', '--config', '.dependency-cruiser.cjs'],
    { cwd: folder, encoding: 'utf8' },
  );
  return status === 0 ? '' : stdout;
}

it('finds nothing wrong with an import of a room below', () => {
  expect(findingsWith('src/auth/planted.ts', `export { Session } from '../sessions/session.entity.js';`)).toBe('');
});

it.each([
  ['sessions-looks-down-only', 'src/sessions/planted.ts', `export { AuthService } from '../auth/auth.service.js';`],
  ['users-looks-down-only', 'src/users/planted.ts', `export type { Session } from '../sessions/session.entity.js';`],
  ['common-looks-down-only', 'src/common/planted.ts', `export { AppConfig } from '../config/config.js';`],
  ['config-looks-down-only', 'src/config/planted.ts', `export { createApp } from '../app.setup.js';`],
  ['health-stands-aside', 'src/health/planted.ts', `export { UsersService } from '../users/users.service.js';`],
  [
    'repositories-stay-in-their-room',
    'src/auth/planted.ts',
    `export { SessionsRepository } from '../sessions/sessions.repository.js';`,
  ],
  ['resolvable', 'src/users/planted.ts', `export { nothing } from './nowhere.js';`],
])('finds %s broken by a planted import', (rule, path, source) => {
  expect(findingsWith(path, source)).toContain(rule);
});

// The one form the checker does not follow.
it('finds no import hidden in a type', () => {
  const paths = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
  for (const path of paths) {
    expect([path, readFileSync(join('src', path), 'utf8').match(/(?<!await )\bimport\(['"]\./)]).toEqual([path, null]);
  }
});
