import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { codeOf } from '../../problems/error-code.js';
import { StartError } from '../../problems/start-error.js';
import { prepareFolder } from '../../config/data-dir.js';
import { keepSecret } from '../../config/kept-secret.js';
import { EMBEDDED_USER } from './pg-binaries.js';

// As this file is: compiled, or as it is written under the command line's loader.
const EXTENSION = extname(import.meta.url);
const SUPERVISOR = fileURLToPath(new URL(`./pg-supervisor${EXTENSION}`, import.meta.url));
const TAKE_OVER_AFTER_MS = 10_000;
const LOOK_AGAIN_AFTER_MS = 50;
const DATABASE = 'postgres';

export interface EmbeddedPostgres {
  readonly url: string;
  /** Stops the server, if this process started it. Open connections are cut. */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /** Where the server keeps its files: in `postgres` below this folder. */
  readonly dataDir: string;
  /** Without, writes are not forced to disk: faster, for tests whose data need not survive a power cut. */
  readonly isDurable?: boolean;
  /** Where it listens on 127.0.0.1; a free port unless given. */
  readonly port?: number;
  /** Where another process runs the server already, connect to that one instead of refusing. */
  readonly sharesRunning?: boolean;
}

/** Another living process has the folder. */
class DataDirInUseError extends StartError {
  constructor(dataDir: string, pid: number) {
    super(
      `The embedded PostgreSQL in ${dataDir} is in use by process ${pid}. Stop that one, or set DATABASE_URL so that ` +
        `both use one server, or start beside it with data of its own: PORT=3001 DATA_DIR=.data2 npm start`,
    );
  }
}

/**
 * Starts a real PostgreSQL in a folder, making its files at the first start. The server lives in a process group of its
 * own under a supervisor that stops it when this process ends, however it ends. What a killed process left running is
 * waited for, or stopped. Throws {@link DataDirInUseError} while another process has the folder, and another
 * {@link StartError} where the folder cannot be written.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir);
  prepareFolder(dataDir);
  const password = keepSecret(dataDir, 'postgres-password');
  const urlAt = (port: number) => `postgres://${EMBEDDED_USER}:${password}@127.0.0.1:${port}/${DATABASE}`;

  const running = await untilFreeOrOwned(dataDir);
  if (running && options.sharesRunning) {
    return { url: urlAt(running.port), stop: () => Promise.resolve() };
  }
  if (running) {
    throw new DataDirInUseError(dataDir, running.ownerPid);
  }

  const supervisor = fork(
    SUPERVISOR,
    [dataDir, options.isDurable === false ? 'fast' : 'durable', String(options.port ?? 0)],
    {
      execArgv: EXTENSION === '.ts' ? process.execArgv : [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    },
  );
  const [message] = await Promise.race([
    once(supervisor, 'message'),
    once(supervisor, 'exit').then(() => [{ error: 'its supervisor ended' }]),
  ]);
  if (message.error) {
    throw new StartError(`The embedded PostgreSQL did not start: ${message.error}`);
  }
  writeFileSync(ownerFile(dataDir), `${process.pid}\n`);
  supervisor.unref();
  supervisor.channel?.unref();

  return {
    url: urlAt(message.port),
    async stop() {
      if (supervisor.exitCode === null && supervisor.signalCode === null) {
        supervisor.ref();
        supervisor.send('stop');
        await once(supervisor, 'exit');
      }
    },
  };
}

const ownerFile = (dataDir: string) => join(dataDir, 'postgres-owner');

// Waits while a server runs whose owner has ended: its supervisor is stopping it, or died too, and then we stop it.
async function untilFreeOrOwned(dataDir: string): Promise<{ ownerPid: number; port: number } | null> {
  const deadline = Date.now() + TAKE_OVER_AFTER_MS;
  for (;;) {
    const postmaster = readPostmaster(dataDir);
    if (!postmaster) {
      return null;
    }
    const ownerPid = Number(readIfThere(ownerFile(dataDir)));
    if (isAlive(ownerPid)) {
      return { ownerPid, port: postmaster.port };
    }
    if (Date.now() > deadline) {
      // SIGINT asks for a fast shutdown: cut the connections, write everything down.
      process.kill(postmaster.pid, 'SIGINT');
      await untilEnded(postmaster.pid);
      return null;
    }
    await sleep(LOOK_AGAIN_AFTER_MS);
  }
}

async function untilEnded(pid: number): Promise<void> {
  while (isAlive(pid)) {
    await sleep(LOOK_AGAIN_AFTER_MS);
  }
}

// PostgreSQL's own lock file: process id, folder, start time, port, one a line.
function readPostmaster(dataDir: string): { pid: number; port: number } | null {
  const [pid, , , port] = readIfThere(join(dataDir, 'postgres', 'postmaster.pid'))
    .split('\n')
    .map(Number);
  return pid && isAlive(pid) ? { pid, port: port ?? 0 } : null;
}

const readIfThere = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) {
    return false;
  }
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}
