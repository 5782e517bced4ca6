import { raw, type Sql } from 'sql-template-tag';
import type { Time, Timed } from '../database/time.js';
import { ACCEPTED_KEY_IDS } from '../keys/keys.sql.js';
import type { User, UserProfile } from '../users/user.entity.js';
import type { OpenSession, Session } from './session.entity.js';

/** An open session and its user, read at one moment: all that requests, tokens and answers are made of. */
export interface OpenSessionWithUser {
  readonly session: Timed<OpenSession>;
  readonly user: Timed<UserProfile>;
  /** When, by the database's clock: the one that all instances share. */
  readonly readAt: Time;
  /** The ids of the signing keys that were accepted at that moment. */
  readonly keyIds: string;
}

/** The same, with all that is stored of both. */
export interface SessionWithUser extends OpenSessionWithUser {
  readonly readAt: Date;
  readonly session: Session;
  readonly user: Omit<User, 'language'>;
}

/** A session and the refresh token that keeps it going. */
export interface SessionGrant extends OpenSessionWithUser {
  readonly refreshToken: string;
}

interface UserColumns {
  readonly userCreatedAt: Date;
  readonly readAt: Date;
  readonly keyIds: string;
}

export type OpenSessionRow = OpenSession & Omit<UserProfile, 'id' | 'createdAt'> & UserColumns;

export type SessionWithUserRow = Omit<Session, 'user' | 'rotationWindowAt' | 'rotationCount'> &
  Omit<User, 'id' | 'createdAt' | 'language'> &
  UserColumns;

// Each column once, by its property. `s` is sessions, `u` is users.
const OPEN_SESSION = {
  id: 's.id',
  userId: 's.user_id',
  delivery: 's.delivery',
  generation: 's.generation',
  usedGeneration: 's.used_generation',
  deviceName: 's.device_name',
  userAgent: 's.user_agent',
  ip: 's.ip',
  createdAt: 's.created_at',
  authenticatedAt: 's.authenticated_at',
  lastSeenAt: 's.last_seen_at',
  idleExpiresAt: 's.idle_expires_at',
  expiresAt: 's.expires_at',
};

const OPEN_COLUMNS = {
  ...OPEN_SESSION,
  email: 'u.email',
  name: 'u.name',
  role: 'u.role',
  emailVerifiedAt: 'u.email_verified_at',
  userCreatedAt: 'u.created_at',
  readAt: 'now()',
  keyIds: ACCEPTED_KEY_IDS,
} satisfies Record<keyof OpenSessionRow, string>;

const SESSION = {
  ...OPEN_SESSION,
  refreshTokenHash: 's.refresh_token_hash',
  rotatedAt: 's.rotated_at',
  revokedAt: 's.revoked_at',
  revokedReason: 's.revoked_reason',
  revokedBy: 's.revoked_by',
} satisfies Record<Exclude<keyof Session, 'user' | 'rotationWindowAt' | 'rotationCount'>, string>;

const COLUMNS = {
  ...OPEN_COLUMNS,
  ...SESSION,
  passwordHash: 'u.password_hash',
  disabledAt: 'u.disabled_at',
} satisfies Record<keyof SessionWithUserRow, string>;

const selectList = (columns: Readonly<Record<string, string>>): Sql =>
  raw(
    Object.entries(columns)
      .map(([property, column]) => `${column} AS "${property}"`)
      .join(',\n        '),
  );

/** An open session and its user, as {@link OpenSessionRow}: all that a protected request needs. */
export const OPEN_SESSION_COLUMNS = selectList(OPEN_COLUMNS);

/** A session alone, as {@link Session}: for lists, which need neither its user nor the signing keys. */
export const SESSION_COLUMNS = selectList(SESSION);

/** A session together with its user, as {@link SessionWithUserRow}. */
export const SESSION_WITH_USER_COLUMNS = selectList(COLUMNS);

// Field by field: this is done for every request, and copying the rest of a row costs several times as much.
export const toOpenSession = (row: Timed<OpenSessionRow>): OpenSessionWithUser => ({
  session: {
    id: row.id,
    userId: row.userId,
    delivery: row.delivery,
    generation: row.generation,
    usedGeneration: row.usedGeneration,
    deviceName: row.deviceName,
    userAgent: row.userAgent,
    ip: row.ip,
    createdAt: row.createdAt,
    authenticatedAt: row.authenticatedAt,
    lastSeenAt: row.lastSeenAt,
    idleExpiresAt: row.idleExpiresAt,
    expiresAt: row.expiresAt,
  },
  user: {
    id: row.userId,
    email: row.email,
    name: row.name,
    role: row.role,
    emailVerifiedAt: row.emailVerifiedAt,
    createdAt: row.userCreatedAt,
  },
  readAt: row.readAt,
  keyIds: row.keyIds,
});

export function toSessionWithUser(row: SessionWithUserRow): SessionWithUser {
  const {
    userId,
    email,
    name,
    role,
    passwordHash,
    emailVerifiedAt,
    disabledAt,
    userCreatedAt,
    readAt,
    keyIds,
    ...session
  } = row;
  return {
    session: { ...session, userId },
    user: { id: userId, email, name, role, passwordHash, emailVerifiedAt, disabledAt, createdAt: userCreatedAt },
    readAt,
    keyIds,
  };
}
