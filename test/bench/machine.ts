import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
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

/** Starts node on given cores. Its standard output is that of a server in production: a pipe that another process reads. */
export function spawnNode(args: readonly string[], env: Record<string, string>, cores = SERVER_CORE): ChildProcess {
  const command = canPin ? ['taskset', '-c', cores, process.execPath, ...args] : [process.execPath, ...args];
  logPipe ??= openLogPipe();
  return spawn(command[0]!, command.slice(1), {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    stdio: ['ignore', logPipe, 2, 'ipc'],
  });
}

let logPipe: number | undefined;

// A real pipe, which only a shell or a name makes: what Node calls one is a socket. Its reader ends with the last writer.
function openLogPipe(): number {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-bench-log-'));
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  spawn('cat', [path], { stdio: ['ignore', 'ignore', 2] }).unref();
  // Waits for the reader, so both have it open.
  const writable = openSync(path, 'w');
  rmSync(folder, { recursive: true });
  return writable;
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

/** Begins to count, and answers which share of the machine others have taken since then. Null where nobody counts. */
export function watchOthers(): () => number | null {
  const takenBefore = busyMicroseconds();
  const oursBefore = ourMicroseconds();
  const startedAt = performance.now();
  return () => {
    const taken = busyMicroseconds();
    if (taken === null || takenBefore === null) return null;
    const others = taken - takenBefore - (ourMicroseconds() - oursBefore);
    return Math.max(0, others / (performance.now() - startedAt) / 1000 / CORES);
  };
}

// All cores together.
function busyMicroseconds(): number | null {
  if (!existsSync('/proc/stat')) {
    return null;
  }
  const [, user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8').split(/\s+/).map(Number);
  return (user! + nice! + system! + irq! + softirq!) * 10_000;
}

// This process and all that it started.
function ourMicroseconds(pid = process.pid): number {
  return childrenOf(pid).reduce(
    (sum, child) => sum + ourMicroseconds(child),
    (cpuMicroseconds(pid) ?? 0) + goneChildren(pid),
  );
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
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    return (Number(fields[13]) + Number(fields[14])) * 10_000;
  } catch {
    // Ended meanwhile.
    return 0;
  }
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
