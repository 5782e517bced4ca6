import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, mkdirSync, readFileSync } from 'node:fs';
import { childrenOf, temporaryFolder } from '../support/postgres.js';

export const PACKAGES = 'patroni etcd-server haproxy postgresql-15';

const idOf = (what: '-u' | '-g') => Number(execFileSync('id', [what, 'postgres']));

// PostgreSQL refuses to be root: then everything runs as the user of Debian's package.
const account = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : null;

const own = (path: string): string => {
  if (account) chownSync(path, account.uid, account.gid);
  return path;
};

/** A new folder in which the programs may write. */
export const folderOfPrograms = (): string => own(temporaryFolder());

export function folderWithin(path: string): string {
  mkdirSync(path, { mode: 0o700 });
  return own(path);
}

export interface Program {
  readonly process: ChildProcess;
  output(): string;
}

export function startProgram(command: string, args: readonly string[], folder: string): Program {
  const child = spawn(command, args, {
    ...account,
    cwd: folder,
    env: { PATH: `${process.env['PATH']}:/usr/sbin`, HOME: folder, LC_ALL: 'C.UTF-8' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.once('error', () => (output += `There is no ${command} here: apt-get install ${PACKAGES}\n`));
  return { process: child, output: () => output };
}

/** The server of a data folder and all its processes; none where it does not run. */
export function processesOf(dataDir: string): number[] {
  try {
    const postmaster = Number(readFileSync(`${dataDir}/postmaster.pid`, 'utf8').split('\n')[0]);
    return titleOf(postmaster).includes('postgres') ? [postmaster, ...childrenOf(postmaster)] : [];
  } catch {
    return [];
  }
}

/** What a process is called now: those of PostgreSQL say what they do. */
export function titleOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/** Sends a signal to those that are still there. */
export function signal(pids: readonly (number | undefined)[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      if (pid !== undefined) process.kill(pid, name);
    } catch {
      // It has ended.
    }
  }
}
