import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { childrenOf } from '../support/postgres.js';

const CORES = availableParallelism();

const hasCommand = (name: string): boolean => {
  try {
    execFileSync('which', [name], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

export const hasWrk = hasCommand('wrk');
export const hasPgbench = hasCommand('pgbench');
const canPin = CORES > 1 && hasCommand('taskset');

/** The servers under test have the first core to themselves; load and PostgreSQL share the others. */
export const SERVER_CORE = '0';
export const ALL_CORES = `0-${CORES - 1}`;
export const LOAD_CORES = `1-${CORES - 1}`;

/** Keeps this process, and all it starts from now on, off the servers' core. */
export function leaveServerCore(): void {
  if (canPin) {
    execFileSync('taskset', ['-apc', LOAD_CORES, String(process.pid)], { stdio: 'ignore' });
  }
}

/** Starts node on given cores. */
export function spawnNode(args: readonly string[], env: Record<string, string>, cores = SERVER_CORE): ChildProcess {
  const command = canPin ? ['taskset', '-c', cores, process.execPath, ...args] : [process.execPath, ...args];
  return spawn(command[0]!, command.slice(1), {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    // Standard output is the report's.
    stdio: ['ignore', 2, 2, 'ipc'],
  });
}

/**
 * Microseconds of processor time that a process has used, or a process and its children, those included that are gone.
 * Null where nobody counts.
 */
export function cpuMicroseconds(pid: number, { withChildren = false } = {}): number | null {
  if (!existsSync('/proc/self/schedstat')) {
    return null;
  }
  const pids = withChildren ? [pid, ...childrenOf(pid)] : [pid];
  const living = pids.flatMap(threadsOf).reduce((sum, nanoseconds) => sum + nanoseconds / 1000, 0);
  return withChildren ? living + goneChildren(pid) : living;
}

function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map((thread) =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
    );
  } catch {
    // Ended meanwhile.
    return [];
  }
}

// In hundredths of a second: the user's and the system's share.
function goneChildren(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
  return (Number(fields[13]) + Number(fields[14])) * 10_000;
}

/** Megabytes a process holds in memory. */
export function residentMegabytes(pid: number): number {
  if (existsSync(`/proc/${pid}/status`)) {
    const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Math.round(Number(kilobytes) / 1024);
  }
  return Math.round(Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)]).toString()) / 1024);
}

export const describeMachine = (): string =>
  `${CORES} cores of ${cpus()[0]?.model.trim() ?? 'unknown make'}, ${Math.round(totalmem() / 2 ** 30)} GB, ` +
  `${process.platform}, Node ${process.versions.node}`;
