import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

const KEY_BYTES = 32;
// Another purpose of the same secret gets another key.
const PURPOSE = 'latchkey visit cookie v1';
const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const FORMAT = new RegExp(`^(v1\\.(${UUID}))\\.([\\w-]{43})$`);

/**
 * What a visit cookie holds: `v1.<session id>.<mac>`. It names a session and proves that we issued it; nothing of it is stored.
 * Its keys are derived for this purpose and for the cookie that it is for, so that it is no other token, and under another
 * name or domain worth nothing. The first secret signs, all verify.
 */
export class VisitTokens {
  private readonly keys: readonly Buffer[];

  constructor(secrets: readonly string[], cookie: string) {
    this.keys = secrets.map((secret) => Buffer.from(hkdfSync('sha256', secret, '', `${PURPOSE} ${cookie}`, KEY_BYTES)));
  }

  /** Throws where there is no secret. */
  issue(sessionId: string): string {
    const [key] = this.keys;
    if (!key) {
      throw new Error('There is no secret to sign with.');
    }
    const content = `v1.${sessionId}`;
    return `${content}.${macOf(content, key).toString('base64url')}`;
  }

  /** The id of the session that a presented token names. Null unless it is whole and ours. Asks no database. */
  read(presentedToken: string): string | null {
    const [, content, sessionId, mac] = FORMAT.exec(presentedToken) ?? [];
    if (content === undefined || sessionId === undefined || mac === undefined) {
      return null;
    }
    const isOurs = this.keys.some((key) =>
      timingSafeEqual(Buffer.from(macOf(content, key).toString('base64url')), Buffer.from(mac)),
    );
    return isOurs ? sessionId : null;
  }
}

const macOf = (content: string, key: Buffer): Buffer => createHmac('sha256', key).update(content).digest();
