import { readFileSync } from 'node:fs';
import { escapeIdentifier, escapeLiteral } from 'pg';
import sql from 'sql-template-tag';
import type { Queryable } from '../transaction.js';

const FILE = readFileSync(new URL('grants.sql', import.meta.url), 'utf8');
const GRANT = /^GRANT (.+) ON (TABLE|FUNCTION) (.+) TO :"role";$/gm;
const PRIVILEGE = /(\w+)(?: \(([^)]+)\))?/g;

/** One thing that the role which serves may do. */
export interface Right {
  readonly privilege: string;
  /** The name of a table or a function, as SQL finds it in the schema. */
  readonly object: string;
  /** Null where it holds for all columns, and for a function. */
  readonly column: string | null;
  readonly isOfTable: boolean;
}

/** All that there are: read from the file that an operator may run as well. */
export const RIGHTS: readonly Right[] = [...FILE.matchAll(GRANT)].flatMap(([, privileges = '', kind, objects = '']) =>
  objects
    .split(', ')
    .flatMap((object) =>
      [...privileges.matchAll(PRIVILEGE)].flatMap(([, privilege = '', columns]) =>
        (columns?.split(', ') ?? [null]).map((column) => ({ privilege, object, column, isOfTable: kind === 'TABLE' })),
      ),
    ),
);

/** The statements that give a role these rights and take others, as psql would send them. */
export const grantsTo = (role: string, schema: string): string =>
  FILE.replaceAll(':"role"', () => escapeIdentifier(role))
    .replaceAll(`:'role'`, () => escapeLiteral(role))
    .replaceAll(':"schema"', () => escapeIdentifier(schema));

/** What a role lacks of {@link RIGHTS}; without a role, the one that asks. What is not there is not lacked. */
export async function missingRights(database: Queryable, schema: string, role: string | null = null): Promise<Right[]> {
  const { rows } = await database.query<{ index: number }>(sql`
    SELECT needed.index::integer - 1 AS index
    FROM unnest(
        ${RIGHTS.map(({ privilege }) => privilege)}::text[], ${RIGHTS.map(({ object }) => object)}::text[],
        ${RIGHTS.map(({ column }) => column)}::text[], ${RIGHTS.map(({ isOfTable }) => isOfTable)}::boolean[]
      ) WITH ORDINALITY AS needed (privilege, object, of_column, is_of_table, index)
      CROSS JOIN (SELECT coalesce(${role}::name, current_user) AS name) AS serving
      JOIN pg_namespace n ON n.nspname = ${schema}
      LEFT JOIN pg_class c ON needed.is_of_table AND c.relname = needed.object AND c.relnamespace = n.oid
      LEFT JOIN pg_proc p ON NOT needed.is_of_table AND p.proname = needed.object AND p.pronamespace = n.oid
    WHERE NOT CASE
      WHEN p.oid IS NOT NULL THEN has_function_privilege(serving.name, p.oid, privilege)
      WHEN of_column IS NOT NULL THEN has_column_privilege(serving.name, c.oid, of_column, privilege)
      ELSE has_table_privilege(serving.name, c.oid, privilege)
    END
    ORDER BY needed.index`);
  return rows.flatMap(({ index }) => RIGHTS[index] ?? []);
}

/** For a person, a line of few words: "SELECT, INSERT on users; …". */
export function describeRights(rights: readonly Right[]): string {
  const privileges = new Map<string, Set<string>>();
  for (const { object, privilege } of rights) {
    privileges.set(object, (privileges.get(object) ?? new Set()).add(privilege));
  }
  return [...privileges].map(([object, names]) => `${[...names].join(', ')} on ${object}`).join('; ');
}
