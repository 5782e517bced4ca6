/** What is over in a table was deleted, as far as it went. */
export class TableSwept {
  constructor(
    readonly table: string,
    readonly rows: number,
    readonly isFailure: boolean,
  ) {}
}
