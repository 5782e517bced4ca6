import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { LIMITS } from '../../src/config/limits.config.js';
import { Api } from './api.js';
import { ledger } from './ledger.js';
import { SECRETS } from './secrets.js';

const MAIN = join(process.cwd(), 'dist/main.js');

// Above what any test does.
const WIDE_LIMITS = {
  LOGIN_FREE_FAILURES: '100',
  LOGIN_FAILURES_PER_ADDRESS: '1000000',
  REGISTRATIONS_PER_ADDRESS: '1000000',
  TOKEN_MAILS_PER_ACCOUNT: '1000000',
  TOKEN_MAILS_PER_ADDRESS: '1000000',
  MAILED_TOKENS_PER_ADDRESS: '1000000',
  REFRESHES_PER_SESSION: '1000000',
  RENAMES_PER_USER: '1000000',
  CLIENT_FAILURES_PER_ADDRESS: '1000000',
  CLIENT_FAILURES_PER_CLIENT: '1000000',
  UNKNOWN_TOKENS_PER_ADDRESS: '1000000',
};

/** The limits of production, for tests that meet them. */
export const PRODUCTION_LIMITS = {
  RATE_LIMIT: 'on',
  ...Object.fromEntries(Object.entries(LIMITS).map(([name, limit]) => [name, String(limit)])),
};

/** Settings by which no limit is met. In production there must be limits. */
export const withoutLimits = (environment: string | undefined): Record<string, string> =>
  environment === 'production' ? WIDE_LIMITS : { RATE_LIMIT: 'off' };

/** The service as an operator runs it: a process of its own. */
export interface Instance {
  readonly api: Api;
  readonly url: string;
  readonly process: ChildProcess;
  /** Everything it has printed so far. */
  output(): string;
  /** Sends a signal and waits until the process is gone. Returns its exit code. */
  kill(signal: NodeJS.Signals): Promise<number | null>;
}

interface Options {
  readonly env?: Record<string, string | undefined>;
  readonly cwd?: string;
  /** How else to start it, as arguments of spawn. */
  readonly command?: readonly [command: string, args: readonly string[], options: object];
}

/** Starts a process and waits for its exit, or for its door to open. */
export function spawnInstance({ env = {}, cwd = process.cwd(), command = [process.execPath, [MAIN], {}] }: Options) {
  const [program, args, options] = command;
  const child = spawn(program, args, {
    cwd,
    ...options,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      PORT: '0',
      HOST: '127.0.0.1',
      LOG_LEVEL: 'warn',
      SHUTDOWN_DELAY_MS: '0',
      ...withoutLimits(env['NODE_ENV']),
      ...SECRETS,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  ledger.outputs.push(() => output);
  return { child, output: () => output };
}

/** Starts the service and waits until it listens. Rejects with what it printed if it ends before. */
export async function startInstance(options: Options): Promise<Instance> {
  const { child, output } = spawnInstance(options);
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout?.on('data', () => {
      const [, found] = /(?:listening at |Swagger UI +)(http:\/\/[\w.]+:\d+)/.exec(output()) ?? [];
      // At the address itself: which one a name leads to is up to the client.
      if (found) resolve(found.replace('localhost', '127.0.0.1'));
    });
    child.once('exit', (code) => reject(new Error(`the service ended with ${code}:\n${output()}`)));
  });
  return {
    api: new Api(url),
    url,
    process: child,
    output,
    async kill(signal) {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = once(child, 'exit');
        child.kill(signal);
        await gone;
      }
      return child.exitCode;
    },
  };
}
