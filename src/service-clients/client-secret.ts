import { createHash, randomBytes } from 'node:crypto';

const SECRET_BYTES = 32;
// What scanners for leaked secrets look for.
const PREFIX = 'lks_';

/** A new secret of a service client. */
export const makeClientSecret = (): string => PREFIX + randomBytes(SECRET_BYTES).toString('base64url');

/** What the database keeps of it. A fast hash is enough: the secret has 256 bits. */
export const hashClientSecret = (secret: string): Buffer => createHash('sha256').update(secret).digest();
