import { measurement } from '../http/measurement.js';

interface SweptTable {
  readonly table: string;
  readonly rows: number;
  readonly isFailure: boolean;
}

/** What is over in a table was deleted, as far as it went. */
export const tableSwept = measurement<SweptTable>('table-swept');
