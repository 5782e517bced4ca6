// What PostgreSQL did for each statement that the service sent: as it was sent, with its values, prepared or not.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Shared Hit Blocks'?: number;
  readonly 'Shared Read Blocks'?: number;
  readonly 'Actual Rows'?: number;
  readonly 'Actual Loops'?: number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Index Recheck'?: number;
  readonly Plans?: readonly PlanNode[];
}

/** One execution. */
export interface Execution {
  readonly text: string;
  /** By `performance.now()`, when it was heard of. */
  readonly at: number;
  readonly milliseconds: number;
  /** Looked at in tables, whether or not they were wanted. */
  readonly rows: number;
  /** Of 8 kB, found in memory or not. */
  readonly pages: number;
  /** What was read from the first row to the last. */
  readonly scanned: readonly string[];
  readonly indexes: readonly string[];
  readonly plan: PlanNode;
}

export interface PlanListener {
  /** For the service. */
  readonly url: string;
  readonly executions: Execution[];
  stop(): void;
}

// Each as a notice to the client that sent the statement, which ignores it.
const SETTINGS = {
  session_preload_libraries: 'auto_explain',
  'auto_explain.log_min_duration': '0',
  'auto_explain.log_analyze': 'on',
  'auto_explain.log_buffers': 'on',
  'auto_explain.log_timing': 'off',
  'auto_explain.log_nested_statements': 'on',
  'auto_explain.log_format': 'json',
  'auto_explain.log_level': 'notice',
  'auto_explain.log_parameter_max_length': '0',
};

/** What makes a database explain each statement to its client. A superuser's connection that has set it stays so. */
export const explainAll = (database: string): string[] =>
  Object.entries(SETTINGS).map(([name, value]) => `ALTER DATABASE ${database} SET ${name} = '${value}'`);

/** Listens between the service and its database. */
export async function listenToPlans(databaseUrl: string): Promise<PlanListener> {
  const target = new URL(databaseUrl);
  const executions: Execution[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay();
      socket.on('error', () => undefined);
    }
    const hear = noticesIn((text) => executions.push(...executionOf(text)));
    upstream.on('data', hear);
    client.pipe(upstream).pipe(client);
    client.on('close', () => upstream.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(databaseUrl);
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    executions,
    stop() {
      server.close();
      sockets.forEach((socket) => socket.destroy());
    },
  };
}

// Each statement of a request carries its id.
const REQUEST_ID = /\/\* \S+ \*\/ ?/;
const NOTICE = 'N'.charCodeAt(0);

/** Calls with the message of each notice (PostgreSQL's protocol, 53.7 and 53.8). */
function noticesIn(heard: (message: string) => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let bytes = 0;
  let wanted = 5;
  return (chunk) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes < wanted) {
      return;
    }
    let rest = Buffer.concat(chunks);
    for (;;) {
      wanted = rest.length < 5 ? 5 : 1 + rest.readInt32BE(1);
      if (rest.length < wanted) {
        break;
      }
      if (rest[0] === NOTICE) {
        const fields = rest.toString('utf8', 5, wanted).split('\0');
        heard(fields.find((field) => field.startsWith('M'))?.slice(1) ?? '');
      }
      rest = rest.subarray(wanted);
    }
    chunks = [rest];
    bytes = rest.length;
  };
}

function executionOf(notice: string): Execution[] {
  const [, duration, json] = /^duration: ([\d.]+) ms\s+plan:\s*(\{.*)$/s.exec(notice) ?? [];
  if (duration === undefined || json === undefined) {
    return [];
  }
  const { 'Query Text': text, Plan: plan }: { 'Query Text': string; Plan: PlanNode } = JSON.parse(json);
  const nodes = [...nodesOf(plan)];
  const named = (pick: (node: PlanNode) => string | undefined) => [
    ...new Set(nodes.flatMap((node) => pick(node) ?? [])),
  ];
  return [
    {
      text: text.replace(REQUEST_ID, '').replaceAll(/\s+/g, ' ').trim(),
      at: performance.now(),
      milliseconds: Number(duration),
      rows: Math.round(nodes.reduce((sum, node) => sum + rowsReadBy(node), 0)),
      pages: (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0),
      scanned: named((node) => (isWholeRead(node) ? node['Relation Name'] : undefined)),
      indexes: named((node) => node['Index Name']),
      plan,
    },
  ];
}

// Where there are few rows, as in a part of the trail that is new, it is the quickest way.
const MANY_ROWS = 2500;
const isWholeRead = (node: PlanNode): boolean => node['Node Type'] === 'Seq Scan' && rowsReadBy(node) > MANY_ROWS;

function rowsReadBy(node: PlanNode): number {
  const isOfTable = node['Relation Name'] !== undefined && node['Node Type'].endsWith('Scan');
  const each =
    (node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0);
  return isOfTable ? each * (node['Actual Loops'] ?? 1) : 0;
}

function* nodesOf(node: PlanNode): Iterable<PlanNode> {
  yield node;
  for (const child of node.Plans ?? []) yield* nodesOf(child);
}
