import { measurement } from '../http/measurement.js';

interface CleanedTable {
  readonly table: string;
  readonly rows: number;
  readonly isFailure: boolean;
}

/** What is kept no longer in a table was deleted, as far as it went. */
export const tableCleaned = measurement<CleanedTable>('table-cleaned');
