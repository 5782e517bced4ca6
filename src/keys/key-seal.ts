import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
// Another purpose of the same secret gets another key.
const PURPOSE = 'latchkey signing keys v1';

/** What was sealed, and whether the first secret did it. */
export interface Opened {
  readonly content: Buffer;
  readonly isByFirst: boolean;
}

/**
 * Seals what the database may keep and must not be able to read: AES-256-GCM under a key that HKDF derives from a secret. The
 * first secret seals, all open. A sealed content belongs to its name, and opens under no other.
 */
export class KeySeal {
  private readonly keys: readonly Buffer[];

  constructor(secrets: readonly string[]) {
    this.keys = secrets.map((secret) => Buffer.from(hkdfSync('sha256', secret, '', PURPOSE, KEY_BYTES)));
  }

  /** Throws where there is no secret. */
  seal(name: string, content: Buffer): Buffer {
    const [key] = this.keys;
    if (!key) {
      throw new Error('There is no secret to seal with.');
    }
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(name));
    const sealed = Buffer.concat([cipher.update(content), cipher.final()]);
    return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
  }

  /** Null where no secret opens it: it is of another one, or changed. */
  open(name: string, sealed: Buffer): Opened | null {
    for (const [index, key] of this.keys.entries()) {
      const content = openWith(key, name, sealed);
      if (content) {
        return { content, isByFirst: index === 0 };
      }
    }
    return null;
  }
}

function openWith(key: Buffer, name: string, sealed: Buffer): Buffer | null {
  try {
    const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
      .setAAD(Buffer.from(name))
      .setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
  } catch {
    return null;
  }
}
