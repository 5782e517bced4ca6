import type { Span } from './calls.js';
import type { Execution } from './plans.js';

/** What was seen in a database of one size. */
export interface Seen {
  readonly rows: Readonly<Record<string, number>>;
  readonly executions: readonly Execution[];
  readonly spans: readonly Span[];
}

/** One statement, at its most expensive, during one kind of request. */
interface Worst {
  readonly what: string;
  readonly text: string;
  readonly execution: Execution;
}

// Less is a small table, whatever becomes of it.
const BIG_TABLE_ROWS = 10_000;
// A batch that is deleted, and what it looks at beside.
const FEW_ROWS = 2500;
const TIMES = 3;
// Of a statement that was named already.
const FEW_PAGES = 1000;

/** What must not be: a big table that is read whole, or work that grows with the rows of others. */
interface Finding {
  readonly what: string;
  readonly why: string;
  readonly text: string;
  readonly plan: Execution['plan'];
}

interface Comparison {
  readonly table: string;
  readonly findings: readonly Finding[];
  readonly statements: number;
}

export function compare(small: Seen, large: Seen): Comparison {
  const before = new Map(worstOf(small).map((one) => [keyOf(one), one]));
  const big = new Set(Object.keys(large.rows).filter((table) => (large.rows[table] ?? 0) > BIG_TABLE_ROWS));
  const isBig = (relation: string) => [...big].some((table) => relation.startsWith(table));
  const findings: Finding[] = [];
  const rows: string[][] = [];
  for (const one of worthTelling(worstOf(large))) {
    const { what, text, execution } = one;
    const then = before.get(keyOf(one))?.execution;
    const scanned = execution.scanned.filter(isBig);
    const grows = execution.rows > FEW_ROWS && execution.rows > TIMES * (then?.rows ?? 0);
    const why = [
      ...(scanned.length > 0 ? [`reads all of ${scanned.join(', ')}`] : []),
      ...(grows
        ? [
            `${then ? `reads ${count(then.rows)} rows in the small database, and` : 'reads'} ${count(execution.rows)} here`,
          ]
        : []),
    ].join('; ');
    if (why !== '') findings.push({ what, why, text, plan: execution.plan });
    rows.push([
      what,
      shortened(text),
      then ? count(then.rows) : '–',
      count(execution.rows),
      then ? count(then.pages) : '–',
      count(execution.pages),
      then ? then.milliseconds.toFixed(1) : '–',
      execution.milliseconds.toFixed(1),
      execution.indexes.join(', ') || '–',
      why === '' ? '' : `**${why}**`,
    ]);
  }
  const head = [
    'during',
    'statement',
    'rows, small',
    'large',
    'pages, small',
    'large',
    'ms, small',
    'large',
    'indexes',
    'finding',
  ];
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return { table: lines.join('\n'), findings, statements: new Set(large.executions.map(({ text }) => text)).size };
}

/** Of each statement and each kind of request, the execution that read most. */
function worstOf({ executions, spans }: Seen): Worst[] {
  const found = new Map<string, Worst>();
  for (const execution of executions) {
    const what = spans.find(({ from, to }) => execution.at >= from && execution.at <= to)?.what;
    if (what === undefined) {
      continue;
    }
    const one = { what, text: execution.text, execution };
    const known = found.get(keyOf(one));
    if (!known || known.execution.pages < execution.pages) found.set(keyOf(one), one);
  }
  return [...found.values()].toSorted((one, other) => other.execution.pages - one.execution.pages);
}

/** The same statement during another kind of request says nothing new where it does not read much. */
function worthTelling(all: readonly Worst[]): Worst[] {
  const told = new Set<string>();
  return all.filter(({ text, execution }) => {
    const isNew = !told.has(text);
    told.add(text);
    return isNew || execution.pages > FEW_PAGES;
  });
}

const keyOf = ({ what, text }: Pick<Worst, 'what' | 'text'>): string => `${what}\n${text}`;

const count = (value: number): string => value.toLocaleString('en');

function shortened(text: string): string {
  const plain = text.replaceAll('|', '¦');
  return plain.length > 90 ? `${plain.slice(0, 90)} …` : plain;
}
