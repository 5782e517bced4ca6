import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LIMITS } from '../../src/config/limits.config.js';
import { Api } from './api.js';
import { ledger } from './ledger.js';
import { SECRETS } from './secrets.js';
import { until } from './until.js';

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
  /** Whether it prints into a pipe, whose end here can be closed, and not into a file. */
  readonly isPiped?: boolean;
}

/** Starts a process and waits for its exit, or for its door to open. */
export function spawnInstance({
  env = {},
  cwd = process.cwd(),
  command = [process.execPath, [MAIN], {}],
  isPiped = false,
}: Options) {
  const [program, args, options] = command;
  const printed = isPiped ? null : openPrinted();
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
    stdio: printed ? ['ignore', printed.file, printed.file] : ['ignore', 'pipe', 'pipe'],
  });
  let piped = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (piped += chunk.toString()));
  child.once('exit', () => printed?.close());
  const output = () => printed?.read() ?? piped;
  ledger.outputs.push(output);
  return { child, output };
}

/** A file without a name. What is written there before an answer is sent can be read once the answer is here; of a pipe, later. */
function openPrinted() {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-printed-'));
  const file = openSync(join(folder, 'output'), 'a+');
  rmSync(folder, { recursive: true });
  let last: string | null = null;
  const read = () => {
    const bytes = Buffer.alloc(fstatSync(file).size);
    readSync(file, bytes, 0, bytes.length, 0);
    return bytes.toString();
  };
  return {
    file,
    read: () => last ?? read(),
    close() {
      last = read();
      closeSync(file);
    },
  };
}

/** Starts the service and waits until it listens. Rejects with what it printed if it ends before. */
export async function startInstance(options: Options): Promise<Instance> {
  const { child, output } = spawnInstance(options);
  let end: string | null = null;
  child.once('exit', (code, signal) => (end = `the service ended with ${code ?? signal}`));
  const url = await until(
    'the service listens',
    () => {
      if (end !== null) throw new Error(`${end}:\n${output()}`);
      const [, found] = /(?:listening at |Swagger UI +)(http:\/\/[\w.]+:\d+)/.exec(output()) ?? [];
      // At the address itself: which one a name leads to is up to the client.
      return found?.replace('localhost', '127.0.0.1');
    },
    120,
  );
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
