import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { spawnInstance } from './instance.js';
import { SECRETS } from './secrets.js';

/** Runs `npm run database:restored` as it is built. Returns its exit code and what it printed. */
export async function settleRestored(
  databaseUrl: string,
  args: readonly string[] = ['--yes'],
  env: Record<string, string> = {},
): Promise<{ code: number; output: string }> {
  const environment = { PATH: process.env['PATH'], ...SECRETS, DATABASE_URL: databaseUrl, ...env };
  const command = [process.execPath, ['dist/bin/database-restored.js', ...args], { env: environment }] as const;
  try {
    const { stdout } = await promisify(execFile)(...command);
    return { code: 0, output: stdout };
  } catch (error) {
    const { code = -1, stdout = '', stderr = '' } = error as { code?: number; stdout?: string; stderr?: string };
    return { code, output: stdout + stderr };
  }
}

/** What a start prints that is refused. */
export async function refusedStart(database: string | Record<string, string>): Promise<string> {
  const env = typeof database === 'string' ? { DATABASE_URL: database } : database;
  const { child, output } = spawnInstance({ env });
  const [code] = await once(child, 'close');
  if (code !== 1) throw new Error(`it ended with ${code}: ${output()}`);
  return output();
}
