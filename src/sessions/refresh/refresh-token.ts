import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../config/config.js';
import type { TokenDelivery } from '../session.entity.js';

const NONCE_BYTES = 32;
const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const FORMAT = new RegExp(`^(v1\\.(${UUID})\\.([1-9]\\d{0,8})\\.([\\w-]{43}))\\.([\\w-]{43})$`);

/** A refresh token as it was sent, and the way it came. */
export interface PresentedToken {
  readonly token: string;
  readonly delivery: TokenDelivery;
}

/** What the database keeps of a refresh token. A fast hash is enough: the nonce alone has 256 bits. */
export const hashRefreshToken = (token: string): Buffer => createHash('sha256').update(token).digest();

/**
 * Refresh tokens that are derived instead of stored: `v1.<session id>.<generation>.<nonce>.<mac>`.
 *
 * The nonce is made at login and travels through every generation of a session; no server keeps it. The mac binds it
 * to session and generation with the server's secret. With a token and the secret its successor can be computed
 * again, which makes a refresh repeatable, and an old token proves by itself what it once was.
 */
@Injectable()
export class RefreshTokens {
  constructor(private readonly config: AppConfig) {}

  /** The first token of a new session. */
  issue(sessionId: string): string {
    return sign(sessionId, 1, randomBytes(NONCE_BYTES).toString('base64url'), this.signingSecret);
  }

  /** Reads a token that was sent. Null unless it is whole and one of our secrets made it; asks no database. */
  read(presentedToken: string): AuthenticRefreshToken | null {
    const [, content, sessionId, generation, nonce, mac] = FORMAT.exec(presentedToken) ?? [];
    if (!content || !sessionId || !generation || !nonce || !mac) {
      return null;
    }
    const isOurs = this.config.refreshTokenSecrets.some((secret) =>
      timingSafeEqual(Buffer.from(macOf(content, secret)), Buffer.from(mac)),
    );
    return isOurs ? new AuthenticRefreshToken(presentedToken, sessionId, Number(generation), nonce, this.config) : null;
  }

  private get signingSecret(): string {
    return this.config.refreshTokenSecrets[0] ?? '';
  }
}

/** A refresh token that one of our secrets made. Whether its session still honours it, the database knows. */
export class AuthenticRefreshToken {
  readonly hash: Buffer;

  constructor(
    token: string,
    readonly sessionId: string,
    readonly generation: number,
    private readonly nonce: string,
    private readonly config: AppConfig,
  ) {
    this.hash = hashRefreshToken(token);
  }

  /** The token that follows this one. */
  get successor(): string {
    return this.at(this.generation + 1)[0] ?? '';
  }

  get successorHashes(): Buffer[] {
    return this.at(this.generation + 1).map(hashRefreshToken);
  }

  /**
   * The token this session holds at another generation, once for each secret: the one in use then may have been
   * rotated since. The current secret's comes first.
   */
  at(generation: number): string[] {
    return this.config.refreshTokenSecrets.map((secret) => sign(this.sessionId, generation, this.nonce, secret));
  }
}

function sign(sessionId: string, generation: number, nonce: string, secret: string): string {
  const content = `v1.${sessionId}.${generation}.${nonce}`;
  return `${content}.${macOf(content, secret)}`;
}

const macOf = (content: string, secret: string): string =>
  createHmac('sha256', secret).update(content).digest('base64url');
