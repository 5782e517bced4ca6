import type { Type } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, isUUID, Max, Min } from 'class-validator';
import { sqlTime } from './sql-values.js';
import { InvalidFieldError } from './validation.js';

/** A place in a list that is ordered by a time and an id, newest first. */
export interface Position {
  /** ISO 8601 in UTC, to the millisecond. */
  readonly createdAt: string;
  readonly id: string;
}

/** What a list is asked for: so many at most, and only what comes after the position. */
export interface PageRequest {
  readonly limit: number;
  readonly after?: Position;
}

/** Before everything: any row comes after it. */
export const START = { createdAt: new Date('9999-12-31T23:59:59.999Z'), id: 'ffffffff-ffff-ffff-ffff-ffffffffffff' };

const LIMIT_MAX = 100;
const LIMIT_MESSAGE = { message: `must be a whole number from 1 to ${LIMIT_MAX}` };

export class PageQueryDto {
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: LIMIT_MAX,
    default: 50,
    example: 50,
    description: 'Items of a page.',
  })
  @Max(LIMIT_MAX, LIMIT_MESSAGE)
  @Min(1, LIMIT_MESSAGE)
  @IsInt(LIMIT_MESSAGE)
  @Transform(({ value }) => (typeof value === 'string' && /^\d{1,3}$/.test(value) ? Number(value) : value))
  readonly limit: number = 50;

  @ApiPropertyOptional({ description: 'The nextCursor of the page before.' })
  @IsString()
  @IsOptional()
  readonly cursor?: string;
}

/** The answer of a list. */
export interface PageDto<Item> {
  readonly items: Item[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
}

/** The documented class of a page of these items, to be extended. */
export function PageOf<Item>(ItemDto: Type<Item>): Type<PageDto<Item>> {
  class Page implements PageDto<Item> {
    @ApiProperty({ type: [ItemDto] })
    readonly items!: Item[];

    @ApiProperty({
      type: 'string',
      nullable: true,
      example: null,
      description: 'Pass it as ?cursor to get the next page; null on the last one.',
    })
    readonly nextCursor!: string | null;
  }
  return Page;
}

/** Reads what a client asks for. Throws `validation_failed` for a cursor that is none of ours. */
export const requestedPage = ({ limit, cursor }: PageQueryDto): PageRequest =>
  cursor === undefined ? { limit } : { limit, after: decodeCursor(cursor) };

/** The same for a list that is ordered by a text of its rows. Throws `validation_failed` for a cursor that is none of ours. */
export const requestedTextPage = ({ limit, cursor }: PageQueryDto): { limit: number; after?: string } =>
  cursor === undefined ? { limit } : { limit, after: decodeTextCursor(cursor) };

/** A page of such a list. */
export const textPageOf = <Item>(items: Item[], hasMore: boolean, last: string | undefined): PageDto<Item> => ({
  items,
  nextCursor: hasMore && last !== undefined ? encodeTextCursor(last) : null,
});

/** A page of a list. Where there is more, the next page goes on after the last row. */
export function pageOf<Item>(
  items: Item[],
  hasMore: boolean,
  last: { readonly createdAt: Date; readonly id: string } | undefined,
): PageDto<Item> {
  const isLastPage = !hasMore || last === undefined;
  return { items, nextCursor: isLastPage ? null : encodeCursor({ ...last, createdAt: last.createdAt.toISOString() }) };
}

const encodeCursor = ({ createdAt, id }: Position): string => Buffer.from(`${createdAt} ${id}`).toString('base64url');

// Without a space, so that none of either kind is taken for one of the other.
const encodeTextCursor = (text: string): string => Buffer.from(`:${text}`).toString('base64url');

function decodeTextCursor(cursor: string): string {
  const text = Buffer.from(cursor, 'base64url').toString('utf8');
  if (!/^:[^\s\p{Cc}]{1,254}$/u.test(text) || encodeTextCursor(text.slice(1)) !== cursor) {
    throw new ForeignCursorError();
  }
  return text.slice(1);
}

function decodeCursor(cursor: string): Position {
  const [createdAt, id] = Buffer.from(cursor, 'base64url').toString('utf8').split(' ');
  // To the letter as we wrote it: what only looks like a time may mean nothing, or another thing, to PostgreSQL.
  const isOurs =
    createdAt &&
    id &&
    sqlTime(createdAt) === createdAt &&
    isUUID(id, 'loose') &&
    encodeCursor({ createdAt, id }) === cursor;
  if (!isOurs) {
    throw new ForeignCursorError();
  }
  return { createdAt, id };
}

class ForeignCursorError extends InvalidFieldError {
  constructor() {
    super('cursor', 'must be the nextCursor of the page before');
  }
}
