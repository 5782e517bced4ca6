import { ApiExtension, type OperationObject } from '@nestjs/swagger';

const EXTENSION = 'x-refusal-header';

/** A header of a route's refusals. */
export interface RefusalHeader {
  readonly header: string;
  /** Its name among the headers of the document. */
  readonly component: string;
  readonly statuses: readonly number[];
}

/** Documents a header that a route's refusals carry beside those of every route. */
export const ApiRefusalHeader = (header: RefusalHeader): MethodDecorator => ApiExtension(EXTENSION, header);

/** What {@link ApiRefusalHeader} left on an operation of the document, where it is removed. */
export function takeRefusalHeader(
  operation: OperationObject & { [EXTENSION]?: RefusalHeader },
): RefusalHeader | undefined {
  const header = operation[EXTENSION];
  delete operation[EXTENSION];
  return header;
}
