import { Column, CreateDateColumn, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/** From the least on: each may do what those before it may. */
export const ROLES = ['user', 'admin'] as const;

export type Role = (typeof ROLES)[number];

/** Whether one role is at least another. None is at least what is no role. */
export const hasRole = (actual: Role, required: Role): boolean =>
  ROLES.includes(required) && ROLES.indexOf(actual) >= ROLES.indexOf(required);

/** In place of a hash: no password is right until one is set by a link that was mailed. */
export const NO_PASSWORD = '!';

/** An account. Its e-mail is kept in lower case, so that it is unique whatever the case it is typed in. */
@Entity({ name: 'users' })
@Index('users_email_key', ['email'], { unique: true })
@Index('users_created_at_id_idx', ['createdAt', 'id'])
@Index('users_email_bytes_idx', { synchronize: false })
@Index('users_admins_idx', ['id'], { where: `role = 'admin'` })
export class User {
  @PrimaryGeneratedColumn('uuid', { primaryKeyConstraintName: 'users_pkey' })
  readonly id!: string;

  @Column({ type: 'text', name: 'email' })
  readonly email!: string;

  @Column({ type: 'text', name: 'name', nullable: true })
  readonly name!: string | null;

  @Column({ type: 'text', name: 'role', default: 'user' })
  readonly role!: Role;

  /** Argon2id, as a PHC string, or {@link NO_PASSWORD}. */
  @Column({ type: 'text', name: 'password_hash' })
  readonly passwordHash!: string;

  @Column({ type: 'timestamptz', name: 'email_verified_at', precision: 3, nullable: true })
  readonly emailVerifiedAt!: Date | null;

  @Column({ type: 'timestamptz', name: 'disabled_at', precision: 3, nullable: true })
  readonly disabledAt!: Date | null;

  /** The language of ours in which mails are read, as a sign-in named it; null until one did. */
  @Column({ type: 'text', name: 'language', nullable: true })
  readonly language!: string | null;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at', precision: 3, default: () => 'now()' })
  readonly createdAt!: Date;
}

/** What others may read of an account. */
export type UserProfile = Omit<User, 'passwordHash' | 'disabledAt' | 'language'>;
