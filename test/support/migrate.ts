import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** `dist/bin/migrate.js` as an operator runs it in the image: nothing but the database's address. */
export async function runMigrate(url: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, ['dist/bin/migrate.js', ...args], {
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', DATABASE_URL: url },
  });
  return stdout;
}
