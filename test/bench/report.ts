import type { CallFigures } from './calls.js';
import type { Isolation, Life, Soak } from './life.js';
import type { Figures } from './measure.js';
import type { Commits } from './pgbench.js';
import { type Profile, profileTable } from './profile.js';
import { LOG_OFF, RAW, type Sizes, STRICT } from './protected.js';
import type { Scale } from './scale.js';
import type { StreamEnds, Streams } from './streams.js';
import { micro, table, whole } from './tables.js';

export interface Results {
  readonly date: string;
  readonly machine: string;
  readonly node: string;
  readonly postgres: string;
  readonly load: string;
  readonly sizes: Sizes;
  readonly contestants: Readonly<Record<string, Figures>>;
  readonly scale: Scale;
  readonly calls: readonly CallFigures[];
  /** Refreshes a second. */
  readonly pgbench: number | null;
  readonly commits: Commits | null;
  readonly profile: Profile | null;
  readonly isolation: Isolation;
  readonly life: Life;
  readonly streams: Streams | null;
  readonly streamEnds: readonly StreamEnds[];
  readonly soak: Soak | null;
}

/** What was measured, and where. */
export const headline = ({ date, machine, postgres, load, sizes }: Results): string =>
  `${date}, ${machine}, PostgreSQL ${postgres}, ${load}; ${sizes.sessions.toLocaleString('en')} sessions, ` +
  `medians of ${sizes.rounds} rounds of ${sizes.seconds} s`;

/** The figures for people: the tables of README.md, in its order. */
export function tables(results: Results): string[] {
  const { contestants, scale, calls, isolation, life, sizes, profile, commits } = results;
  const strict = contestants[STRICT]!;
  const refresh = calls.find(({ name }) => name === 'refresh')!;
  return [
    table(
      ['protected request', ...COLUMNS, 'Latchkey is'],
      Object.entries(contestants).map(([name, figures]) => [
        name,
        ...cells(figures),
        name === STRICT ? '' : `${(strict.perSecond / figures.perSecond).toFixed(2)} ×`,
      ]),
    ),
    table(
      ['Latchkey, connections', ...COLUMNS],
      Object.entries(scale.byConnections).map(([connections, figures]) => [connections, ...cells(figures)]),
    ),
    table(
      ['Latchkey, 64 connections', ...COLUMNS],
      [
        ['1,000 sessions', ...cells(scale.few)],
        [`${sizes.sessions.toLocaleString('en')} sessions`, ...cells(scale.many)],
        ...(scale.onAllCores === null ? [] : coreRows(scale.onAllCores)),
      ],
    ),
    ...(profile === null ? [] : [profileTable(profile)]),
    table(
      ['call', 'connections', 'statements', ...COLUMNS],
      calls.map(({ name, connections, statements, ...figures }) => [name, connections, statements, ...cells(figures)]),
    ),
    table(
      ['what', ''],
      [
        ['storage for each session, row and indexes', `${Math.round(scale.bytesPerSession)} bytes`],
        [
          'refreshes a second by pgbench, same SQL',
          results.pgbench === null ? 'no pgbench here' : whole(results.pgbench),
        ],
        ...(results.pgbench === null ? [] : [['refresh / pgbench', (refresh.perSecond / results.pgbench).toFixed(2)]]),
        ...(commits === null ? [] : commitRows(commits)),
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
  ];
}

/** The same service on two versions of Node.js, from two runs. */
export function besideTable(all: readonly Results[]): string {
  const rows: [what: string, pick: (results: Results) => string][] = [
    ['protected requests a second', ({ contestants }) => whole(contestants[STRICT]!.perSecond)],
    ['protected request, µs', ({ contestants }) => micro(contestants[STRICT]!.serverCpu)],
    ['protected request, log off, µs', ({ contestants }) => micro(contestants[LOG_OFF]!.serverCpu)],
    ['raw node:http, µs', ({ contestants }) => micro(contestants[RAW]!.serverCpu)],
    [
      'throughput as a multiple of raw node:http',
      ({ contestants }) => (contestants[STRICT]!.perSecond / contestants[RAW]!.perSecond).toFixed(2),
    ],
    ...['login', 'refresh', 'logout'].map((name): [string, (results: Results) => string] => [
      `${name}, µs`,
      ({ calls }) => micro(calls.find((call) => call.name.startsWith(name))!.serverCpu),
    ]),
  ];
  return table(
    ['Latchkey on', ...all.map(({ node }) => `Node.js ${node}`)],
    rows.map(([what, pick]) => [what, ...all.map(pick)]),
  );
}

const coreRows = ({ oneProcess, twoWorkers }: NonNullable<Scale['onAllCores']>) => [
  ['one process, load and PostgreSQL on all cores', ...cells(oneProcess)],
  ['two workers, load and PostgreSQL on all cores', ...cells(twoWorkers)],
];

const commitRows = ({ now, notifying }: Commits) => [
  ['logouts a second by pgbench, 32 at once, same SQL', whole(now)],
  ['the same with NOTIFY inside the transaction', whole(notifying)],
];

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

const COLUMNS = ['per second', 'server', 'PostgreSQL', 'p50 ms', 'p99 ms'];

const cells = ({ perSecond, serverCpu, storeCpu, p50, p99 }: Figures) => [
  whole(perSecond),
  micro(serverCpu),
  micro(storeCpu),
  p50.toFixed(2),
  p99.toFixed(2),
];
