import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ALLOWED = ['src/auth/planted-below.ts', `export { Session } from '../sessions/session.entity.js';`] as const;
const FORBIDDEN = [
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
  ['verifier-stands-alone', 'src/verifier/planted.ts', `export type { Caller } from '../sessions/caller.js';`],
  ['verifier-is-for-other-services', 'src/auth/planted.ts', `export { createVerifier } from '../verifier/index.js';`],
  ['verifier-needs-no-framework', 'src/verifier/planted.ts', `export { Injectable } from '@nestjs/common';`],
  ['verifier-needs-no-framework', 'src/verifier/planted.ts', `export type { FastifyRequest } from 'fastify';`],
  ['client-imports-nothing-else', 'src/client/planted.mjs', `export { phrase } from '../texts/phrase.mjs';`],
  ['client-imports-nothing-else', 'src/client/planted.mjs', `export { readFileSync } from 'node:fs';`],
  ['client-is-used-by-the-pages-alone', 'src/pages/planted.ts', `export { LatchkeyClient } from '../client.mjs';`],
  ['client-is-used-by-the-pages-alone', 'src/auth/planted.ts', `export { Pauses } from '../client/pauses.mjs';`],
  ['resolvable', 'src/users/planted.ts', `export { nothing } from './nowhere.js';`],
] as const;

/** Each in a file of its own, so that one run of the checker finds them all. */
const plantedAt = (path: string, i: number) => path.replace('planted.', `planted-${i}.`);

let findings: string[];

beforeAll(() => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-test-'));
  for (const name of ['src', 'package.json', 'tsconfig.json', '.dependency-cruiser.cjs']) {
    cpSync(name, join(folder, name), { recursive: true });
  }
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
  const planted = FORBIDDEN.map(([, path, source], i) => [plantedAt(path, i), source] as const);
  for (const [path, source] of [ALLOWED, ...planted]) {
    writeFileSync(join(folder, path), source);
  }
  const { stdout } = spawnSync(
    process.execPath,
    ['node_modules/dependency-cruiser/bin/dependency-cruise.mjs', 'src', '--config', '.dependency-cruiser.cjs'],
    // Jest's workers have FORCE_COLOR where its own output has colours.
    { cwd: folder, encoding: 'utf8', env: { ...process.env, FORCE_COLOR: undefined, NO_COLOR: '1' } },
  );
  findings = stdout.split('\n');
  rmSync(folder, { recursive: true });
});

it('The import check finds nothing wrong but what was planted, and accepts an import of a folder below', () => {
  const found = findings.filter((line) => /^\s*(error|warn) /.test(line));
  expect(found.length).toBeGreaterThanOrEqual(FORBIDDEN.length);
  expect(found.filter((line) => !/ src\/[\w/-]*planted-\d+\.m?[jt]s/.test(line))).toEqual([]);
});

it.each(FORBIDDEN.map(([rule, path], i) => [rule, plantedAt(path, i)]))(
  'The import check finds %s broken by the planted %s',
  (rule, path) => {
    expect(findings.filter((line) => line.includes(`${path} `) && line.includes(rule))).toHaveLength(1);
  },
);

// The one form the checker does not follow.
it('No source file hides an import in a type', () => {
  const paths = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
  for (const path of paths) {
    expect([path, readFileSync(join('src', path), 'utf8').match(/(?<!await )\bimport\(['"]\./)]).toEqual([path, null]);
  }
});
