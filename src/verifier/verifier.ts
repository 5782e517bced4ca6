import { Batches } from './batches.js';
import type { Caller } from './caller.js';
import { InvalidTokenError, UnavailableError } from './errors.js';
import { type ExpressMiddleware, expressMiddleware } from './express.js';
import { type FastifyHook, fastifyHook } from './fastify.js';
import { type ActiveToken, Latchkey } from './latchkey.js';
import { PublishedKeys } from './published-keys.js';
import { type Refusal, refusalOf } from './refusal.js';
import { readSettings, type Settings, type VerifierSettings } from './settings.js';
import { type Claims, CLOCK_SKEW_SECONDS, Signatures } from './signatures.js';

// To the letter of RFC 6750, section 2.1: one token and nothing after it.
const BEARER = /^Bearer +([\w.-]+)$/i;

/** Verifies access tokens for a service that is not Latchkey. One for each process, for as long as it runs. */
export class Verifier {
  private readonly settings: Settings;
  private readonly latchkey: Latchkey;
  private readonly keys: PublishedKeys;
  private readonly signatures: Signatures;
  private readonly batches: Batches<ActiveToken | null>;
  private isClosed = false;

  /** Throws `VerifierSettingsError`, which names everything that is wrong with the settings. Asks nobody yet. */
  constructor(settings: VerifierSettings) {
    this.settings = readSettings(settings);
    this.latchkey = new Latchkey(this.settings);
    this.keys = new PublishedKeys(() => this.latchkey.readKeys(), this.settings.keysMaxAgeMs);
    this.signatures = new Signatures(this.keys, this.settings);
    this.batches = new Batches((tokens) => this.latchkey.check(tokens), this.settings.timeoutMs / 2);
  }

  /**
   * Whose token this is. In mode `strict` its session is open, as it is after this was called. Throws
   * {@link InvalidTokenError}, and {@link UnavailableError} where Latchkey does not say it.
   */
  async verify(token: string): Promise<Caller> {
    if (this.isClosed) {
      throw new UnavailableError('closed', 'The verifier was closed.');
    }
    const claims = this.signatures.remembered(token) ?? (await this.signatures.verify(token));
    if (this.settings.mode === 'signature') {
      return inTime(claims);
    }
    // Latchkey compares the times as well, by the clock that all its instances share: the one here may be off.
    const active = await this.batches.ask(token);
    if (!active) {
      throw new InvalidTokenError();
    }
    if (active.sub !== claims.userId || active.sid !== claims.sessionId) {
      throw new UnavailableError(
        'unexpected_answer',
        'Latchkey answered for another token than the one that was asked for.',
      );
    }
    return callerFrom(claims, active);
  }

  /** The same for the value of an Authorization header. Nothing else of a request is ever looked at. */
  authenticate(authorization: string | undefined): Promise<Caller> {
    const token = BEARER.exec(authorization ?? '')?.[1];
    return token === undefined
      ? Promise.reject(new InvalidTokenError(authorization !== undefined))
      : this.verify(token);
  }

  /** What to answer where a token was refused or could not be checked. Throws any other error. */
  refusalOf(error: unknown): Refusal {
    return refusalOf(error, this.settings.realm);
  }

  /** Middleware for Express, Connect and Node's own server. */
  express(): ExpressMiddleware {
    return expressMiddleware(this);
  }

  /** A hook for Fastify: `app.addHook('onRequest', verifier.fastify())`, or `onRequest` of a route. */
  fastify(): FastifyHook {
    return fastifyHook(this);
  }

  /**
   * Resolves if Latchkey can be asked with these settings; throws {@link UnavailableError} with what is wrong. Whether issuer and
   * audience are right is seen at the first token, and reported to `onError`.
   */
  async ready(): Promise<void> {
    await this.keys.readNow();
    if (this.settings.mode === 'strict') {
      await this.batches.ask('no.access.token');
    }
  }

  /** Accepts no further tokens, waits for the answers under way, and ends the connections to Latchkey. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.batches.close();
    this.latchkey.close();
  }
}

/** A verifier for a service that is not Latchkey. Throws `VerifierSettingsError`. */
export const createVerifier = (settings: VerifierSettings): Verifier => new Verifier(settings);

function inTime(claims: Claims): Caller {
  const now = Date.now() / 1000;
  if (claims.issuedAt > now + CLOCK_SKEW_SECONDS || claims.expiresAt <= now - CLOCK_SKEW_SECONDS) {
    throw new InvalidTokenError();
  }
  return callerFrom(claims, claims);
}

const callerFrom = (
  { userId, sessionId, tokenId, authenticatedAt, expiresAt }: Claims,
  { username, amr, acr }: Partial<ActiveToken>,
): Caller => ({
  userId,
  sessionId,
  tokenId,
  authenticatedAt: new Date(authenticatedAt * 1000),
  expiresAt: new Date(expiresAt * 1000),
  ...(username !== undefined && { username }),
  ...(amr !== undefined && { amr }),
  ...(acr !== undefined && { acr }),
});
