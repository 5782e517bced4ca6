import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, type QueryResultRow } from 'pg';
import { codeOf } from '../../src/problems/error-code.js';
import { freePort } from '../support/free-port.js';
import { until } from '../support/until.js';
import {
  folderOfPrograms,
  folderWithin,
  PACKAGES,
  processesOf,
  type Program,
  signal,
  startProgram,
  titleOf,
} from './programs.js';

const CONFIGURATION = 'src/process/failover';
const NAMES = ['node1', 'node2', 'node3'];
// Sooner than those of the documentation, so that a failover takes a quarter of a minute. Less than what HAProxy needs
// would be no test of it.
const TIMES = { ttl: 12, loop_wait: 1, retry_timeout: 5 };
const SECONDS = 120;
const NO_DATABASE = '3D000';

/** One server of the cluster, with the Patroni that manages it. */
export class ClusterNode {
  private patroni: Program | undefined;

  constructor(
    readonly name: string,
    readonly folder: string,
    readonly restPort: number,
    readonly port: number,
  ) {}

  start(): void {
    this.patroni = startProgram('patroni', [join(this.folder, 'patroni.yaml')], this.folder);
  }

  output = (): string => this.patroni?.output() ?? '';

  get dataDir(): string {
    return join(this.folder, 'data');
  }

  /** Its processes of PostgreSQL, those alone whose title has the words where given. */
  postgres(words = ''): number[] {
    return processesOf(this.dataDir).filter((pid) => titleOf(pid).includes(words));
  }

  signalPostgres(name: NodeJS.Signals, words = ''): void {
    signal(this.postgres(words), name);
  }

  signalPatroni(name: NodeJS.Signals): void {
    signal([this.patroni?.process.pid], name);
  }

  signalAll(name: NodeJS.Signals): void {
    this.signalPatroni(name);
    this.signalPostgres(name);
  }

  async call(method: string, path: string, body?: object): Promise<{ status: number; text: string } | null> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.restPort}${path}`, {
        method,
        signal: AbortSignal.timeout(method === 'GET' ? 2000 : 60_000),
        ...(body && { body: JSON.stringify(body) }),
      });
      return { status: answer.status, text: await answer.text() };
    } catch {
      return null;
    }
  }

  /** Asks the server itself, whatever it is, in the database of the service where there is one. */
  async query<Row extends QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]> {
    try {
      return await this.ask<Row>('latchkey', sql, values);
    } catch (error) {
      if (codeOf(error) !== NO_DATABASE) throw error;
      return this.ask<Row>('postgres', sql, values);
    }
  }

  private async ask<Row extends QueryResultRow>(database: string, sql: string, values?: unknown[]): Promise<Row[]> {
    const client = new Client({
      host: '127.0.0.1',
      port: this.port,
      user: 'postgres',
      password: 'a-secret',
      database,
      connectionTimeoutMillis: 5000,
      query_timeout: 10_000,
    });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Row>(sql, values)).rows;
    } finally {
      await client.end();
    }
  }
}

/** Three nodes as the documentation has them, on this machine, and what leads to the primary. */
export class Cluster {
  private readonly proxies: Program[] = [];

  private constructor(
    readonly nodes: readonly ClusterNode[],
    private readonly etcd: Program,
    private readonly folder: string,
  ) {}

  static async start(): Promise<Cluster> {
    const folder = folderOfPrograms();
    const [client, peer] = [await freePort(), await freePort()];
    const [here, there] = [`http://127.0.0.1:${client}`, `http://127.0.0.1:${peer}`];
    const etcd = startProgram(
      'etcd',
      [
        ['--data-dir', folderWithin(join(folder, 'etcd'))],
        ['--listen-client-urls', here, '--advertise-client-urls', here],
        ['--listen-peer-urls', there, '--initial-advertise-peer-urls', there, '--initial-cluster', `default=${there}`],
        ['--enable-v2', '--unsafe-no-fsync', '--log-level', 'error'],
      ].flat(),
      folder,
    );
    await until('etcd answers', () =>
      fetch(`${here}/health`).then(
        ({ ok }) => ok,
        () => false,
      ),
    ).catch(() => {
      throw new Error(`etcd does not start (apt-get install ${PACKAGES}):\n${etcd.output()}`);
    });
    const nodes: ClusterNode[] = [];
    for (const name of NAMES) {
      nodes.push(new ClusterNode(name, folderWithin(join(folder, name)), await freePort(), await freePort()));
    }
    const cluster = new Cluster(nodes, etcd, folder);
    for (const node of nodes) {
      writeFileSync(join(node.folder, 'patroni.yaml'), configurationOf(node, client));
      node.start();
    }
    await cluster.whole().catch((error: unknown) => {
      throw new Error(`${String(error)}\n${nodes.map((node) => node.output()).join('\n')}`);
    });
    return cluster;
  }

  /** The node that Patroni says is the primary: of the two in a split, the one that holds the lease. */
  async primary(except?: ClusterNode): Promise<ClusterNode> {
    return until(
      'there is a primary',
      async () => {
        for (const node of this.nodes.filter((each) => each !== except)) {
          if ((await node.call('OPTIONS', '/primary'))?.status === 200) return node;
        }
        return null;
      },
      SECONDS,
    );
  }

  /** Waits until all three take part, and, unless it is asynchronous, Patroni may promote one of the standbys. */
  async whole({ isSynchronous = true } = {}): Promise<ClusterNode> {
    const wanted = ['leader', 'replica', isSynchronous ? 'sync_standby' : 'replica'].toSorted();
    return until(
      'all nodes take part',
      async () => {
        const primary = await this.primary();
        const answer = await primary.call('GET', '/cluster');
        const members: { role: string; state: string; lag?: number }[] = answer ? JSON.parse(answer.text).members : [];
        const roles = members
          .filter(({ state, lag }) => /running|streaming/.test(state) && !lag)
          .map(({ role }) => role);
        const standbys = await primary
          .query(`SELECT FROM pg_stat_replication WHERE state = 'streaming'`)
          .catch(() => []);
        return String(roles.toSorted()) === String(wanted) && standbys.length === 2 ? primary : null;
      },
      SECONDS,
    );
  }

  /** A HAProxy in front of them. Returns the URL of the database through it. */
  async startProxy(change: (configuration: string) => string = (same) => same): Promise<string> {
    const port = await freePort();
    let configuration = change(readFileSync(`${CONFIGURATION}/haproxy.cfg`, 'utf8'));
    configuration = configuration.replace('127.0.0.1:5000', `127.0.0.1:${port}`);
    for (const [i, node] of this.nodes.entries()) {
      configuration = configuration.replace(
        `10.0.0.${i + 1}:5432 port 8008`,
        `127.0.0.1:${node.port} port ${node.restPort}`,
      );
    }
    const file = join(this.folder, `haproxy-${port}.cfg`);
    writeFileSync(file, configuration);
    this.proxies.push(startProgram('haproxy', ['-db', '-f', file], this.folder));
    return `postgres://latchkey:its-secret@127.0.0.1:${port}/latchkey`;
  }

  /** Makes it wait for no standby any more. */
  async becomeAsynchronous(): Promise<void> {
    const primary = await this.primary();
    await primary.call('PATCH', '/config', { synchronous_mode: false, synchronous_mode_strict: false });
    await this.whole({ isSynchronous: false });
  }

  /** What each node has said last, and who takes part as the primary sees it. */
  async describe(): Promise<string[]> {
    const said = await Promise.all(
      this.nodes.map(async (node) => {
        const lines = node
          .output()
          .split('\n')
          .filter((line) => !/no action|not yet accepting/.test(line));
        const members = (await node.call('GET', '/cluster'))?.text ?? 'Patroni does not answer';
        return [`${node.name}: ${members}`, ...lines.slice(-60)];
      }),
    );
    return said.flat();
  }

  stop(): void {
    for (const node of this.nodes) node.signalPatroni('SIGKILL');
    for (const node of this.nodes) node.signalPostgres('SIGKILL');
    signal(
      [this.etcd, ...this.proxies].map(({ process }) => process.pid),
      'SIGKILL',
    );
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The documented file, with the addresses and times of this test. */
function configurationOf(node: ClusterNode, etcdPort: number): string {
  let text = readFileSync(`${CONFIGURATION}/patroni.yaml`, 'utf8')
    .replace('name: node1', `name: ${node.name}`)
    .replaceAll('10.0.0.1:8008', `127.0.0.1:${node.restPort}`)
    .replaceAll('10.0.0.1:5432', `127.0.0.1:${node.port}`)
    .replace('10.0.0.9:2379', `127.0.0.1:${etcdPort}`)
    .replaceAll('10.0.0.0/24', '127.0.0.0/8')
    .replace('/var/lib/postgresql/15/latchkey.pgpass', join(node.folder, 'pgpass'))
    .replace('/var/lib/postgresql/15/latchkey', node.dataDir);
  for (const [name, seconds] of Object.entries(TIMES)) {
    text = text.replace(new RegExp(`${name}: \\d+`), `${name}: ${seconds}`);
  }
  return `${text}  parameters:\n    unix_socket_directories: '${node.folder}'\n    shared_buffers: 32MB\n`;
}
