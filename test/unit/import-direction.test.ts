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

it('The import check accepts an import of a folder below', () => {
  expect(findingsWith('src/auth/planted.ts', `export { Session } from '../sessions/session.entity.js';`)).toBe('');
});

it.each([
  ['sessions-imports-down-only', 'src/sessions/planted.ts', `export { AuthService } from '../auth/auth.service.js';`],
  ['users-imports-down-only', 'src/users/planted.ts', `export type { Session } from '../sessions/session.entity.js';`],
  ['mail-imports-down-only', 'src/mail/planted.ts', `export { Turns } from '../limits/turns.js';`],
  ['database-imports-down-only', 'src/database/planted.ts', `export { Turns } from '../limits/turns.js';`],
  ['http-imports-down-only', 'src/http/planted.ts', `export { Database } from '../database/database.js';`],
  ['problems-imports-down-only', 'src/problems/planted.ts', `export { AppConfig } from '../config/config.js';`],
  ['config-imports-down-only', 'src/config/planted.ts', `export { createApp } from '../app.js';`],
  [
    'admin-imports-the-core-only',
    'src/admin/planted.ts',
    `export { AccountService } from '../account/account.service.js';`,
  ],
  [
    'metrics-imports-the-core-only',
    'src/metrics/planted.ts',
    `export { SessionStreams } from '../session-events/session-streams.js';`,
  ],
  [
    'health-is-imported-by-app-module-alone',
    'src/auth/planted.ts',
    `export { HealthModule } from '../health/health.module.js';`,
  ],
  [
    'repositories-stay-in-their-folder',
    'src/auth/planted.ts',
    `export { SessionsRepository } from '../sessions/sessions.repository.js';`,
  ],
  [
    'repositories-stay-in-their-folder',
    'src/account/planted.ts',
    `export type { RefreshState } from '../sessions/refresh/refresh.repository.js';`,
  ],
  [
    'no-repository-outside-folders',
    'src/planted.ts',
    `export { SessionsRepository } from './sessions/sessions.repository.js';`,
  ],
  ['resolvable', 'src/users/planted.ts', `export { nothing } from './nowhere.js';`],
])('The import check finds %s broken by the planted %s', (rule, path, source) => {
  expect(findingsWith(path, source)).toContain(rule);
});

// The one form the checker does not follow.
it('No source file hides an import in a type', () => {
  const paths = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
  for (const path of paths) {
    expect([path, readFileSync(join('src', path), 'utf8').match(/(?<!await )\bimport\(['"]\./)]).toEqual([path, null]);
  }
});
