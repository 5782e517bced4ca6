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
// Two hundred rows by their keys, or a batch that is deleted, with room for a chance.
const FEW_BUFFERS = 1000;
const TIMES = 3;

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
    const grows = execution.buffers > FEW_BUFFERS && execution.buffers > TIMES * (then?.buffers ?? 0);
    const why = [
      ...(scanned.length > 0 ? [`reads all of ${scanned.join(', ')}`] : []),
      ...(grows ? [`${then ? count(then.buffers) : 'unknown'} buffers became ${count(execution.buffers)}`] : []),
    ].join('; ');
    if (why !== '') findings.push({ what, why, text, plan: execution.plan });
    rows.push([
      what,
      shortened(text),
      then ? count(then.buffers) : '–',
      count(execution.buffers),
      then ? then.milliseconds.toFixed(1) : '–',
      execution.milliseconds.toFixed(1),
      execution.indexes.join(', ') || '–',
      why === '' ? '' : `**${why}**`,
    ]);
  }
  const head = ['during', 'statement', 'buffers, small', 'large', 'ms, small', 'large', 'indexes', 'finding'];
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
    if (!known || known.execution.buffers < execution.buffers) found.set(keyOf(one), one);
  }
  return [...found.values()].toSorted((one, other) => other.execution.buffers - one.execution.buffers);
}

/** The same statement during another kind of request says nothing new where it does not read much. */
function worthTelling(all: readonly Worst[]): Worst[] {
  const told = new Set<string>();
  return all.filter(({ text, execution }) => {
    const isNew = !told.has(text);
    told.add(text);
    return isNew || execution.buffers > FEW_BUFFERS;
  });
}

const keyOf = ({ what, text }: Pick<Worst, 'what' | 'text'>): string => `${what}\n${text}`;

const count = (value: number): string => value.toLocaleString('en');

function shortened(text: string): string {
  const plain = text.replaceAll('|', '¦');
  return plain.length > 90 ? `${plain.slice(0, 90)} …` : plain;
}
