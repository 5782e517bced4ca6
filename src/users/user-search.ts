import { Injectable } from '@nestjs/common';
import { Repository, type SelectQueryBuilder } from 'typeorm';
import { InjectOurRepository } from '../database/data-source.js';
import type { Position } from '../http/pagination.js';
import { User } from './user.entity.js';

/** One page, and whether more follow. */
export interface FoundUsers {
  readonly users: User[];
  readonly hasMore: boolean;
}

/** Accounts for staff to look through. Each order is that of an index, so a page takes as long among millions as among few. */
@Injectable()
export class UserSearch {
  constructor(@InjectOurRepository(User) private readonly users: Repository<User>) {}

  /** All accounts, newest first. */
  findNewest(after: Position | undefined, limit: number): Promise<FoundUsers> {
    const query = this.users.createQueryBuilder('u').orderBy('u.createdAt', 'DESC').addOrderBy('u.id', 'DESC');
    if (after) query.where('(u.createdAt, u.id) < (:at, :id::uuid)', { at: after.createdAt, id: after.id });
    return pageOf(query, limit);
  }

  /** Accounts whose e-mail starts with this, in the order of the bytes of their e-mails. */
  findByPrefix(prefix: string, afterEmail: string | undefined, limit: number): Promise<FoundUsers> {
    const query = this.users
      .createQueryBuilder('u')
      .where('starts_with(u.email, :prefix)', { prefix })
      .orderBy(BYTES_OF_EMAIL, 'ASC');
    if (afterEmail !== undefined) query.andWhere(`${BYTES_OF_EMAIL} > :afterEmail`, { afterEmail });
    return pageOf(query, limit);
  }
}

// Whatever the collation of the database is, that of the index.
const BYTES_OF_EMAIL = 'u.email COLLATE "C"';

async function pageOf(query: SelectQueryBuilder<User>, limit: number): Promise<FoundUsers> {
  const users = await query.limit(limit + 1).getMany();
  return { users: users.slice(0, limit), hasMore: users.length > limit };
}
