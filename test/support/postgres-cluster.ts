import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, chownSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, type QueryResultRow } from 'pg';
import { type Binaries, findIdentity, type Identity, runAs } from '../../src/database/embedded/pg-binaries.js';
import { freePort } from './free-port.js';
import { childrenOf, temporaryFolder } from './postgres.js';
import { until } from './until.js';

const USER = 'latchkey';
const RUNTIME = 'latchkey_runtime';
const ENVIRONMENT = { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' };

/** Where programs of PostgreSQL are: in POSTGRES_BIN, such as Debian's, or the embedded ones, which have no pg_basebackup. */
function programsOf() {
  const folder = process.env['POSTGRES_BIN'];
  const { initdb, postgres } = folder
    ? { initdb: join(folder, 'initdb'), postgres: join(folder, 'postgres') }
    : embeddedBinaries();
  const identity = findIdentity(initdb, temporaryFolderOfCluster());
  return { initdb, postgres, folder, identity };
}

// In a process of its own: what is compiled for Jest cannot look for packages.
function embeddedBinaries(): Binaries {
  const script = `import('./dist/database/embedded/pg-binaries.js')
    .then(({ findBinaries }) => findBinaries()).then((found) => console.log(JSON.stringify(found)))`;
  return JSON.parse(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' }));
}

function temporaryFolderOfCluster(): string {
  const folder = temporaryFolder();
  execFileSync('chmod', ['755', folder]);
  return folder;
}

/**
 * A cluster of PostgreSQL with an archive of its log, as an administrator has it: with base backups, recovery to a point in time,
 * standbys and promotion.
 */
export class PostgresCluster {
  private server: ChildProcess | undefined;
  private log = '';

  private constructor(
    readonly folder: string,
    readonly port: number,
    private readonly programs: ReturnType<typeof programsOf>,
  ) {}

  /** A new one, which runs. */
  static async create(): Promise<PostgresCluster> {
    const programs = programsOf();
    const cluster = new PostgresCluster(temporaryFolderOfCluster(), await freePort(), programs);
    cluster.own(cluster.folder);
    mkdirSync(cluster.archive);
    cluster.own(cluster.archive);
    cluster.run(
      programs.initdb,
      '-D',
      cluster.data,
      '-U',
      USER,
      '-A',
      'trust',
      '-E',
      'UTF8',
      '--locale=C',
      '--no-sync',
    );
    await cluster.start();
    await cluster.query(`CREATE ROLE ${RUNTIME} LOGIN`);
    return cluster;
  }

  get data(): string {
    return join(this.folder, 'data');
  }

  private get archive(): string {
    return join(this.folder, 'archive');
  }

  get url(): string {
    return `postgres://${USER}@127.0.0.1:${this.port}/postgres`;
  }

  /** As a role that owns nothing. */
  get servingUrl(): string {
    return Object.assign(new URL(this.url), { username: RUNTIME }).href;
  }

  async start(): Promise<void> {
    const settings = [
      `port=${this.port}`,
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
      'fsync=off',
      'wal_level=replica',
      'archive_mode=on',
      `archive_command=cp %p ${this.archive}/%f`,
      'hot_standby=on',
    ];
    this.log = '';
    const args = ['-D', this.data, ...settings.flatMap((setting) => ['-c', setting])];
    const [command, rest, options] = runAs(this.programs.identity, this.programs.postgres, args);
    this.server = spawn(command, rest, { ...options, env: ENVIRONMENT, stdio: ['ignore', 'ignore', 'pipe'] });
    this.server.stderr?.on('data', (chunk: Buffer) => (this.log += chunk.toString()));
    await until(`the server starts: ${this.data}`, () => {
      if (this.server?.exitCode !== null) throw new Error(this.log);
      return this.log.includes('ready to accept');
    });
  }

  /** `fast` as an administrator does; `crash` as a loss of power does, but that what was written stays. */
  async stop(how: 'fast' | 'crash' = 'fast'): Promise<void> {
    const { server } = this;
    if (server && server.exitCode === null) {
      const gone = once(server, 'exit');
      // A fast shutdown, or an immediate one.
      server.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
      await gone;
    }
  }

  /** The process of the server, whose children serve its connections. */
  get pid(): number {
    return this.server?.pid ?? 0;
  }

  /** Freezes every process of it: connections stay open, and nothing is answered. */
  pause(): void {
    this.send('SIGSTOP');
  }

  resume(): void {
    this.send('SIGCONT');
  }

  private send(signal: NodeJS.Signals): void {
    if (this.server?.exitCode !== null || this.server.signalCode !== null) return;
    process.kill(this.pid, signal);
    for (const child of childrenOf(this.pid)) {
      try {
        process.kill(child, signal);
      } catch {
        // It has ended meanwhile.
      }
    }
  }

  async remove(): Promise<void> {
    await this.stop('crash');
    rmSync(this.folder, { recursive: true, force: true });
  }

  async query<Row extends QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    const client = new Client({ connectionString: this.url });
    await client.connect();
    try {
      return (await client.query<Row>(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  /** A base backup: by pg_basebackup, or by the functions that it uses where there is none. Returns its folder. */
  async backup(): Promise<string> {
    const backup = join(this.folder, `backup-${Date.now()}`);
    const { folder } = this.programs;
    if (folder) {
      this.run(join(folder, 'pg_basebackup'), '-d', this.url, '-D', backup, '-X', 'none', '-c', 'fast', '--no-sync');
      return backup;
    }
    const client = new Client({ connectionString: this.url });
    await client.connect();
    await client.query(`SELECT pg_backup_start('test', true)`);
    // What changes while it is copied is mended by the log.
    execFileSync('cp', ['-a', this.data, backup]);
    const { rows } = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop()');
    await client.end();
    writeFileSync(join(backup, 'backup_label'), rows[0]!.labelfile);
    for (const name of ['postmaster.pid', 'postmaster.opts', 'pg_wal']) {
      rmSync(join(backup, name), { recursive: true, force: true });
    }
    mkdirSync(join(backup, 'pg_wal', 'archive_status'), { recursive: true });
    this.own(backup);
    return backup;
  }

  /** Puts a backup in place of the data, and recovers it from the archive, as far as the settings of recovery say. */
  async restore(backup: string, settings: Readonly<Record<string, string>>): Promise<void> {
    await this.stop();
    rmSync(this.data, { recursive: true });
    execFileSync('cp', ['-a', backup, this.data]);
    const all = { restore_command: `cp ${this.archive}/%f %p`, recovery_target_action: 'promote', ...settings };
    const lines = Object.entries(all).map(([name, value]) => `${name} = '${value}'\n`);
    appendFileSync(join(this.data, 'postgresql.auto.conf'), lines.join(''));
    this.signal('recovery.signal');
    await this.start();
    await this.untilWritable();
  }

  /** Puts a copy of the files in place of the data: what a snapshot of the disk has. */
  copyTo(folder: string): void {
    execFileSync('cp', ['-a', this.data, folder]);
  }

  async replaceBy(folder: string): Promise<void> {
    await this.stop();
    rmSync(this.data, { recursive: true });
    execFileSync('cp', ['-a', folder, this.data]);
    rmSync(join(this.data, 'postmaster.pid'), { force: true });
    await this.start();
  }

  /** A standby that follows this one, and runs, on a port of its own. */
  async standby(): Promise<PostgresCluster> {
    const standby = new PostgresCluster(temporaryFolderOfCluster(), await freePort(), this.programs);
    standby.own(standby.folder);
    mkdirSync(standby.archive);
    standby.own(standby.archive);
    execFileSync('cp', ['-a', await this.backup(), standby.data]);
    const settings = [`primary_conninfo = '${this.url}'\n`, `restore_command = 'cp ${this.archive}/%f %p'\n`];
    appendFileSync(join(standby.data, 'postgresql.auto.conf'), settings.join(''));
    standby.signal('standby.signal');
    await standby.start();
    return standby;
  }

  /** The same files on another port: that of a server which is gone. */
  async moveTo(port: number): Promise<PostgresCluster> {
    await this.stop();
    const moved = new PostgresCluster(this.folder, port, this.programs);
    await moved.start();
    return moved;
  }

  async promote(): Promise<void> {
    await this.query('SELECT pg_promote()');
    await this.untilWritable();
  }

  /** Waits until a standby has all that this one has. */
  async hasSent(standby: PostgresCluster): Promise<void> {
    const [row] = await this.query<{ lsn: string }>('SELECT pg_current_wal_flush_lsn()::text AS lsn');
    await until('the standby has received it', async () => {
      const [replayed] = await standby.query<{ isThere: boolean }>(
        'SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS "isThere"',
        [row!.lsn],
      );
      return replayed!.isThere;
    });
  }

  private async untilWritable(): Promise<void> {
    await until('the recovery is over', async () => {
      const [row] = await this.query<{ isOver: boolean }>('SELECT NOT pg_is_in_recovery() AS "isOver"');
      return row!.isOver;
    });
  }

  /** Runs a program of PostgreSQL as the account that owns the cluster. Returns what it prints. */
  run(program: string, ...args: string[]): string {
    const [command, rest, options] = runAs(this.programs.identity, program, args);
    return execFileSync(command, rest, {
      ...options,
      env: ENVIRONMENT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  private signal(name: string): void {
    writeFileSync(join(this.data, name), '');
    this.own(this.data);
  }

  private own(path: string): void {
    const { account }: Identity = this.programs.identity;
    if (account && existsSync(path)) {
      chownSync(path, account.uid, account.gid);
      execFileSync('chown', ['-R', `${account.uid}:${account.gid}`, path]);
    }
  }
}
