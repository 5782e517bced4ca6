import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** What is encrypted. Another purpose of the same secret gets another key. */
const PURPOSES = { keys: 'latchkey signing keys v1', receivers: 'latchkey secrets of receivers v1' } as const;

/** What was decrypted, and whether the first secret had encrypted it. */
export interface Decrypted {
  readonly content: Buffer;
  readonly isByFirst: boolean;
}

/**
 * Encrypts what the database may keep and must not be able to read: AES-256-GCM under a key that HKDF derives from a secret. The
 * first secret encrypts, all decrypt. The content belongs to its name, and decrypts under no other.
 */
export class KeyCipher {
  private readonly keys: readonly Buffer[];

  constructor(secrets: readonly string[], purpose: keyof typeof PURPOSES = 'keys') {
    this.keys = secrets.map((secret) => Buffer.from(hkdfSync('sha256', secret, '', PURPOSES[purpose], KEY_BYTES)));
  }

  /** Throws where there is no secret. */
  encrypt(name: string, content: Buffer): Buffer {
    const [key] = this.keys;
    if (!key) {
      throw new Error('There is no secret to encrypt with.');
    }
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(name));
    const encrypted = Buffer.concat([cipher.update(content), cipher.final()]);
    return Buffer.concat([iv, cipher.getAuthTag(), encrypted]);
  }

  /** Null where no secret decrypts it: it is of another one, or changed. */
  decrypt(name: string, encrypted: Buffer): Decrypted | null {
    for (const [index, key] of this.keys.entries()) {
      const content = decryptWith(key, name, encrypted);
      if (content) {
        return { content, isByFirst: index === 0 };
      }
    }
    return null;
  }
}

function decryptWith(key: Buffer, name: string, encrypted: Buffer): Buffer | null {
  try {
    const decipher = createDecipheriv(CIPHER, key, encrypted.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
      .setAAD(Buffer.from(name))
      .setAuthTag(encrypted.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    return Buffer.concat([decipher.update(encrypted.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
  } catch {
    return null;
  }
}
