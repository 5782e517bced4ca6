import type { CallFigures } from './calls.js';
import type { Isolation, Life, Soak } from './life.js';
import type { Figures } from './measure.js';
import type { StreamEnds, Streams } from './streams.js';
import { BETTER_AUTH, BETTER_AUTH_CACHE, EXPRESS_SESSION, RAW, type Sizes, STRICT, STUB } from './protected.js';

export interface Results {
  readonly date: string;
  readonly machine: string;
  readonly postgres: string;
  readonly load: string;
  readonly sizes: Sizes;
  readonly contestants: Readonly<Record<string, Figures>>;
  readonly byConnections: Readonly<Record<string, Figures>>;
  readonly size: { readonly few: Figures; readonly many: Figures; readonly bytesPerSession: number };
  readonly onAllCores: { readonly oneProcess: Figures; readonly twoWorkers: Figures };
  readonly calls: readonly CallFigures[];
  /** Refreshes a second. */
  readonly pgbench: number | null;
  readonly isolation: Isolation;
  readonly life: Life;
  readonly streams: Streams | null;
  readonly streamEnds: readonly StreamEnds[];
  readonly soak: Soak | null;
}

/** The figures for people, in Markdown. */
export function report(results: Results): string {
  const { contestants, byConnections, size, onAllCores, calls, isolation, life, sizes } = results;
  const strict = contestants[STRICT]!;
  const refresh = calls.find(({ name }) => name === 'refresh')!;
  return [
    `${results.date}, ${results.machine}, PostgreSQL ${results.postgres}, ${results.load}; ` +
      `${sizes.sessions.toLocaleString('en')} sessions, medians of ${sizes.rounds} rounds of ${sizes.seconds} s`,
    table(
      ['protected GET, 64 connections', ...COLUMNS, 'Latchkey is'],
      Object.entries(contestants).map(([name, figures]) => [
        name,
        ...cells(figures),
        name === STRICT ? '' : `${(strict.perSecond / figures.perSecond).toFixed(2)} ×`,
      ]),
    ),
    table(
      ['Latchkey, connections', ...COLUMNS],
      Object.entries(byConnections).map(([connections, figures]) => [connections, ...cells(figures)]),
    ),
    table(
      ['Latchkey, 64 connections', ...COLUMNS],
      [
        ['1,000 sessions', ...cells(size.few)],
        [`${sizes.sessions.toLocaleString('en')} sessions`, ...cells(size.many)],
        ['one process, load and PostgreSQL on all cores', ...cells(onAllCores.oneProcess)],
        ['two workers, load and PostgreSQL on all cores', ...cells(onAllCores.twoWorkers)],
      ],
    ),
    table(
      ['call', 'connections', 'statements', ...COLUMNS],
      calls.map(({ name, connections, statements, ...figures }) => [name, connections, statements, ...cells(figures)]),
    ),
    table(
      ['', ''],
      [
        ['storage per session, row and indexes', `${Math.round(size.bytesPerSession)} bytes`],
        [
          'refreshes a second by pgbench, same SQL',
          results.pgbench === null ? 'no pgbench here' : whole(results.pgbench),
        ],
        ...(results.pgbench === null ? [] : [['refresh / pgbench', (refresh.perSecond / results.pgbench).toFixed(2)]]),
        ['p99 of protected GETs, quiet', `${isolation.quietP99.toFixed(1)} ms`],
        [
          `p99 while 50 clients log in (${whole(isolation.loginsPerSecond)} logins a second)`,
          `${isolation.floodedP99.toFixed(1)} ms`,
        ],
        [
          'memory after the first and the last of those floods',
          `${isolation.earlyMegabytes}, ${isolation.lateMegabytes} MB`,
        ],
        ['start to first answer, empty database', `${whole(life.coldStart)} ms`],
        ['start to first answer, migrated database', `${whole(life.warmStart)} ms`],
        ['memory idle, under load', `${life.idleMegabytes}, ${life.loadedMegabytes} MB`],
        ...(results.streams === null ? [] : streamRows(results.streams)),
        ...results.streamEnds.map(endRow),
        ...(results.soak === null ? [] : [soakRow(results.soak)]),
      ],
    ),
  ].join('\n\n');
}

const streamRows = ({ count, kilobytesEach, serverPercent, storePercent, ...churn }: Streams) => [
  [`memory for each of ${count.toLocaleString('en')} idle event streams`, `${kilobytesEach.toFixed(0)} kB`],
  ['of a core for all of them: server, PostgreSQL', `${share(serverPercent)}, ${share(storePercent)}`],
  [
    `heap early in and after ${churn.churned.toLocaleString('en')} streams opened and closed`,
    `${churn.startMegabytes.toFixed(1)}, ${churn.endMegabytes.toFixed(1)} MB`,
  ],
];

const endRow = ({ what, median, slowest }: StreamEnds) => [
  `a stream ends ${what}: median, slowest`,
  `${median.toFixed(0)}, ${slowest.toFixed(0)} ms`,
];

const share = (percent: number | null) => (percent === null ? '–' : `${percent.toFixed(1)} %`);

const soakRow = ({ requests, startMegabytes, endMegabytes }: Soak) => [
  `heap after a forced collection, early in and after ${requests.toLocaleString('en')} requests`,
  `${startMegabytes.toFixed(1)}, ${endMegabytes.toFixed(1)} MB`,
];

/**
 * What must not get much worse: ratios and statements, never times, with margins wide enough for a busy machine. Empty
 * where all is well.
 */
export function failures({ contestants, size, calls, byConnections }: Results): string[] {
  const strict = contestants[STRICT]!;
  const many = byConnections[64];
  const atLeast = (what: string, ratio: number, least: number) =>
    ratio >= least ? [] : [`${what} is ${ratio.toFixed(2)}, and should be at least ${least}`];
  const against = (name: string, least: number) =>
    atLeast(`throughput as a multiple of "${name}"`, strict.perSecond / contestants[name]!.perSecond, least);
  const statements = (name: string) => calls.find((call) => call.name.startsWith(name))!.statements;
  const isOne = (name: string) => (statements(name) === 1 ? [] : [`${name} asks ${statements(name)} statements`]);
  return [
    ...against(RAW, 0.08),
    ...against(STUB, 0.6),
    ...against(BETTER_AUTH, 3),
    ...against(BETTER_AUTH_CACHE, 2),
    ...against(EXPRESS_SESSION, 1.3),
    ...atLeast('1,000 sessions as a multiple of all', size.many.perSecond / size.few.perSecond, 0.6),
    // Both of one table, measured one right after the other: in a short run the contestants are still cold, and PostgreSQL
    // is busy with what was seeded.
    ...(many?.storeCpu && many.serverCpu
      ? atLeast('processor time of the server as a multiple of PostgreSQL', many.serverCpu / many.storeCpu, 3)
      : []),
    ...(byConnections[1]?.storeCpu && many?.storeCpu
      ? atLeast('PostgreSQL at 1 connection as a multiple of 64', byConnections[1].storeCpu / many.storeCpu, 3)
      : []),
    ...['refresh', 'logout', 'logout-all, 10,000'].flatMap(isOne),
  ];
}

const COLUMNS = ['per second', 'server CPU µs', 'PostgreSQL CPU µs', 'p50 ms', 'p99 ms'];

const cells = ({ perSecond, serverCpu, storeCpu, p50, p99 }: Figures) => [
  whole(perSecond),
  micro(serverCpu),
  micro(storeCpu),
  p50.toFixed(2),
  p99.toFixed(2),
];

const whole = (value: number): string => Math.round(value).toLocaleString('en');
const micro = (value: number | null): string => (value === null ? '–' : value < 100 ? value.toFixed(1) : whole(value));

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const lines = [head, head.map((_, i) => (i === 0 ? '---' : '--:')), ...rows];
  return lines.map((line) => `| ${line.join(' | ')} |`).join('\n');
}
