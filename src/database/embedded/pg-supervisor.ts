// A process of its own, forked by the service. It owns one PostgreSQL and ends it when its parent has ended: then the
// channel closes, even where the parent was killed. Arguments: the data folder; "durable" or "fast"; the port, 0 for a free one.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Binaries, EMBEDDED_USER, findBinaries, findIdentity, type Identity, runAs } from './pg-binaries.js';

const ENVIRONMENT = { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' };
const FAST = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'];
const LOG_TAIL_CHARACTERS = 4000;

const [dataDir = '', durability = 'durable', wantedPort = '0'] = process.argv.slice(2);
const cluster = join(dataDir, 'postgres');

// The parent decides when we stop. A Ctrl-C reaches the whole group, and must not end the database under its last writes.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);

try {
  const binaries = await findBinaries();
  const identity = findIdentity(binaries.initdb, dataDir);
  if (!existsSync(join(cluster, 'PG_VERSION'))) {
    await create(binaries, identity);
  }
  await run(binaries, identity);
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}

function fail(reason: string): void {
  process.send?.({ error: reason }, () => process.exit(1));
}

// Made aside and moved into place, so that a start that is killed half-way leaves nothing half-made, and of two that
// start together one cluster remains.
async function create({ initdb }: Binaries, identity: Identity): Promise<void> {
  const draft = `${cluster}.${process.pid}`;
  const passwordFile = `${draft}.password`;
  mkdirSync(draft, { mode: 0o700 });
  writeFileSync(passwordFile, readFileSync(join(dataDir, 'postgres-password')), { mode: 0o600 });
  if (identity.account) {
    const { uid, gid } = identity.account;
    chownSync(draft, uid, gid);
    chownSync(passwordFile, uid, gid);
  }
  try {
    const args = [
      '-D',
      draft,
      '-U',
      EMBEDDED_USER,
      '-A',
      'scram-sha-256',
      '--pwfile',
      passwordFile,
      '-E',
      'UTF8',
      '--locale=C',
    ];
    const child = start(identity, initdb, durability === 'durable' ? args : [...args, '--no-sync']);
    const log = tailOf(child);
    const [code] = await once(child, 'close');
    if (code !== 0) {
      throw new Error(`initdb: ${log()}`);
    }
    if (!existsSync(join(cluster, 'PG_VERSION'))) {
      renameSync(draft, cluster);
    }
  } finally {
    rmSync(passwordFile, { force: true });
    rmSync(draft, { recursive: true, force: true });
  }
}

async function run({ postgres }: Binaries, identity: Identity): Promise<void> {
  const port = Number(wantedPort) || (await freePort());
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'max_connections=100',
    ...(durability === 'durable' ? [] : FAST),
  ];
  const args = ['-D', cluster, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])];
  const server = start(identity, postgres, args);
  const log = tailOf(server);

  let isStopping = false;
  const stop = () => {
    isStopping = true;
    // A fast shutdown: connections are cut, everything is written down.
    server.kill('SIGINT');
  };
  process.on('message', (message) => message === 'stop' && stop());
  process.on('disconnect', stop);
  server.once('exit', () => (isStopping ? process.exit(0) : fail(log())));
  onceSaid(server, 'ready to accept connections', () => process.send?.({ port }));
}

// Detached: a group of its own, out of reach of the terminal's Ctrl-C.
function start(identity: Identity, program: string, args: readonly string[]): ChildProcess {
  const [command, rest, options] = runAs(identity, program, args);
  return spawn(command, rest, {
    ...options,
    detached: true,
    env: ENVIRONMENT,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}

// In what arrives, not in the tail of it: clients that knock while the server starts can push a line out of that at once.
function onceSaid({ stderr }: ChildProcess, words: string, act: () => void): void {
  let heard = '';
  const listen = (chunk: Buffer) => {
    heard += chunk.toString();
    if (heard.includes(words)) {
      stderr?.off('data', listen);
      act();
    }
    heard = heard.slice(-words.length);
  };
  stderr?.on('data', listen);
}

function tailOf({ stderr }: ChildProcess): () => string {
  let tail = '';
  stderr?.on('data', (chunk: Buffer) => (tail = (tail + chunk.toString()).slice(-LOG_TAIL_CHARACTERS)));
  return () => tail.trim().split('\n').slice(-3).join(' | ');
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}
