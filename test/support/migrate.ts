import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** `dist/bin/migrate.js` as an operator runs it in the image: nothing but the addresses of the database. */
export const runMigrate = (url: string, ...args: string[]): Promise<string> =>
  runMigrateWith({ DATABASE_URL: url }, ...args);

/** The same with other settings. */
export async function runMigrateWith(env: Record<string, string>, ...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, ['dist/bin/migrate.js', ...args], {
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', ...env },
  });
  return stdout;
}
