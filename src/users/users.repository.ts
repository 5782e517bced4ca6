import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { User } from './user.entity.js';

@Injectable()
export class UsersRepository {
  constructor(@InjectRepository(User) private readonly users: Repository<User>) {}

  /** Null if there is no such account. The e-mail must be normalised. */
  findByEmail(email: string): Promise<User | null> {
    return this.users.findOneBy({ email });
  }

  /** Null if the e-mail is taken: of parallel calls with one e-mail, exactly one gets the account. */
  async create(user: Pick<User, 'email' | 'name' | 'passwordHash'>): Promise<User | null> {
    const insert = this.users.createQueryBuilder().insert().values(user).orIgnore().returning('id');
    const { raw }: { raw: { id: string }[] } = await insert.execute();
    return raw[0] ? this.users.findOneByOrFail({ id: raw[0].id }) : null;
  }

  /** Swaps one hash of a password for a stronger one of the same. Does nothing if the password changed meanwhile. */
  async replaceHash(id: string, currentHash: string, strongerHash: string): Promise<void> {
    await this.users.update({ id, passwordHash: currentHash }, { passwordHash: strongerHash });
  }
}
