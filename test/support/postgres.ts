import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A PostgreSQL that belongs to one test, which may stop, pause and restart it. */
export interface OwnPostgres {
  readonly url: string;
  /** Its files are in `postgres` below this folder. */
  readonly dataDir: string;
  /** Ends it as an administrator would, and waits until it is gone. */
  stop(): Promise<void>;
  /** Ends every process of it at once, as a crash of the machine would. */
  kill(): Promise<void>;
  /** The same server on the same port, after a stop. */
  restart(): Promise<void>;
  /** Freezes every process of the server: connections stay open, and nobody answers. */
  pause(): void;
  resume(): void;
}

export const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), 'latchkey-test-'));

export async function startPostgres(): Promise<OwnPostgres> {
  const dataDir = temporaryFolder();
  let { child, url } = await start(dataDir);
  const signal = (name: NodeJS.Signals) => {
    const postmaster = Number(readFileSync(join(dataDir, 'postgres/postmaster.pid'), 'utf8').split('\n')[0]);
    for (const pid of [postmaster, ...childrenOf(postmaster)]) {
      process.kill(pid, name);
    }
  };
  return {
    url,
    dataDir,
    async stop() {
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
    async kill() {
      const gone = once(child, 'exit');
      signal('SIGKILL');
      child.kill('SIGTERM');
      await gone;
    },
    async restart() {
      ({ child } = await start(dataDir, new URL(url).port));
    },
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
  };
}

async function start(dataDir: string, port = '') {
  const child = spawn(process.execPath, ['test/support/embedded.mjs', dataDir, port], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => {
      throw new Error('PostgreSQL did not start');
    }),
  ]);
  return { child, url: String(line).trim() };
}

export function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        // The fields after the name in brackets: state, parent, …
        return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[1]) === parent;
      } catch {
        return false;
      }
    });
}
