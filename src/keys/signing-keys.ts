import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Subject } from 'rxjs';
import { AppConfig } from '../config/config.js';
import { Notifications } from '../database/notifications.js';
import type { Time } from '../database/time.js';
import { ServiceUnavailableError } from '../problems/problem.js';
import { isStoreFailure } from '../problems/store-failure.js';
import { within } from '../problems/within.js';
import { KEYS_CHANNEL, KeyRotation, type MadeKey, type RotationReason } from './key-rotation.js';
import { KeyCipher } from './key-cipher.js';
import { type OpenedKey, openKeys, signingAt } from './opened-keys.js';
import { algorithmsUsedBy, SIGNING_ALGORITHM, type SigningAlgorithm } from './signing-key.js';
import { SigningKeysRepository } from './signing-keys.repository.js';

// A key is published for twenty minutes before it signs: any instance has read it long before.
const LOOKS_EVERY_MS = 60_000;
// However many tokens name keys that do not exist.
const READS_EVERY_MS = 100;

const WHY: Readonly<Record<RotationReason, string>> = {
  first: 'there was none',
  secret_changed: 'JWT_SECRET opens none of those there are, so what they signed is refused',
  schedule: 'the one before is old',
  command: 'asked to',
  leaked: 'the one before has leaked',
  backup_restored: 'the database was restored from a backup',
};

/** What a statement saw that a token is issued for. */
export interface Moment {
  readonly readAt: Time;
  /** The ids of the keys of the token's algorithm that were accepted then. */
  readonly keyIds: string;
}

/**
 * The keys that sign and verify JWTs under ES256, and those that sign under RS256 for receivers which take nothing else: made, kept
 * and rotated by the service, the same ones on every instance. Where JWT_ALGORITHM is HS256 there are none.
 *
 * What is remembered here may be old. Whether a key is accepted is for the database to say, together with the session: see
 * `ACCEPTED_KEY_IDS`.
 */
@Injectable()
export class SigningKeys implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(SigningKeys.name);
  private readonly cipher: KeyCipher;
  private readonly isUsed: boolean;
  private keys: readonly OpenedKey[] = [];
  private byId: ReadonlyMap<string, OpenedKey> = new Map();
  private unopened: readonly string[] = [];
  private readAt = new Date(0);
  private isAnswered = true;
  private reading: Promise<void> = Promise.resolve();
  private nextReading: Promise<void> | null = null;
  private timer: NodeJS.Timeout | undefined;
  private readonly revokedIds = new Subject<ReadonlySet<string>>();

  /** The ids of keys that were revoked: at once, or within a minute where the notification was missed. */
  readonly revoked = this.revokedIds.asObservable();

  constructor(
    private readonly repository: SigningKeysRepository,
    private readonly rotation: KeyRotation,
    notifications: Notifications,
    private readonly config: AppConfig,
  ) {
    this.cipher = new KeyCipher(config.jwtSecrets);
    this.isUsed = config.jwtAlgorithm === SIGNING_ALGORITHM;
    if (this.isUsed) {
      const look = () => void this.look();
      notifications.listen({ channel: KEYS_CHANNEL, received: look, listening: look, lost: () => undefined });
    }
  }

  /** A database that cannot be asked, or written to, is no reason not to start: what is missing is tried again. */
  async onModuleInit(): Promise<void> {
    if (this.isUsed) {
      await this.refresh().catch((error: unknown) => {
        if (!isStoreFailure(error)) {
          throw error;
        }
        this.warn(error);
      });
      this.timer = setInterval(() => void this.look(), LOOKS_EVERY_MS).unref();
    }
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /**
   * The key that signs a token which is issued at a moment: never one that was revoked before. Throws
   * {@link ServiceUnavailableError} where there is none, as under HS256, and what the database throws.
   */
  async signing({ readAt, keyIds }: Moment, algorithm: SigningAlgorithm = SIGNING_ALGORITHM): Promise<OpenedKey> {
    const known = signingAt(this.keys, algorithm, readAt);
    if (known && keyIds.includes(known.id)) {
      return known;
    }
    if (!this.isUsed) {
      throw new ServiceUnavailableError();
    }
    await this.readFresh();
    if (!this.current(algorithm)) {
      await this.makeWhereDue(algorithm);
    }
    const current = this.current(algorithm);
    if (!current) {
      throw new ServiceUnavailableError();
    }
    return current;
  }

  /** The same for what is issued now, with the time by the database's clock. RS256 is for receivers alone. */
  async signingNow(
    algorithm: SigningAlgorithm = SIGNING_ALGORITHM,
  ): Promise<{ readonly key: OpenedKey; readonly readAt: Date }> {
    const moment = await this.repository.findMoment(algorithm);
    return { key: await this.signing(moment, algorithm), readAt: moment.readAt };
  }

  /**
   * The key of this id, to verify with: one of ES256, whatever a token says. Null where there is none. One that is not known yet is looked for in the database.
   * Throws {@link ServiceUnavailableError} where that does not answer within SESSION_CHECK_TIMEOUT_MS.
   */
  async find(id: string): Promise<OpenedKey | null> {
    if (!this.byId.has(id) && this.isUsed && !(await this.isReadInTime())) {
      throw new ServiceUnavailableError();
    }
    const key = this.byId.get(id);
    return key?.algorithm === SIGNING_ALGORITHM ? key : null;
  }

  /** Whether what a token of this key has opened may stay open: false from the moment {@link revoked} has named it. */
  isKnown(id: string | null): boolean {
    return id === null || this.byId.has(id);
  }

  /**
   * Every key that is accepted, as it is after the request arrived. Where the database does not answer within
   * SESSION_CHECK_TIMEOUT_MS, those that were there: a verifier that finds none would refuse every token. Throws
   * {@link ServiceUnavailableError} where none is known yet.
   */
  async listAccepted(): Promise<readonly OpenedKey[]> {
    if (this.isUsed && !(await this.isReadInTime()) && this.keys.length === 0) {
      throw new ServiceUnavailableError();
    }
    return this.keys;
  }

  private current(algorithm: SigningAlgorithm): OpenedKey | undefined {
    return signingAt(this.keys, algorithm, this.readAt);
  }

  private async look(): Promise<void> {
    await this.refresh().catch((error: unknown) => this.warn(error));
  }

  private async refresh(): Promise<void> {
    await this.readFresh();
    if (this.keys.some(({ isEncryptedByFirst }) => !isEncryptedByFirst)) {
      await this.rotation.encryptAnew();
      await this.readFresh();
    }
    for (const algorithm of algorithmsUsedBy(this.keys)) await this.makeWhereDue(algorithm);
  }

  private async isReadInTime(): Promise<boolean> {
    try {
      await within(this.config.sessionCheckTimeoutMs, this.readFresh());
      return true;
    } catch (error) {
      this.warn(error);
      return false;
    }
  }

  /** Once, until the database has answered again. */
  private warn(error: unknown): void {
    if (this.isAnswered) {
      this.logger.warn(`Cannot read or make signing keys, and go on with those that are known: ${String(error)}`);
    }
    this.isAnswered = false;
  }

  private async makeWhereDue(algorithm: SigningAlgorithm): Promise<void> {
    if (this.rotation.isDue(algorithm, this.keys, this.readAt)) {
      this.report(await this.rotation.ensure(algorithm));
      await this.readFresh();
    }
  }

  private report(made: MadeKey | null): void {
    if (made) {
      const text = `Made the signing key ${made.id} (${made.algorithm}), which signs from ${made.signsFrom.toISOString()}: ${WHY[made.reason]}`;
      this.logger[made.reason === 'secret_changed' ? 'warn' : 'log'](text);
    }
  }

  private reportUnopened(ids: readonly string[]): void {
    for (const id of ids.filter((one) => !this.unopened.includes(one))) {
      this.logger.warn(
        `Cannot open the signing key ${id}: no secret in JWT_SECRET decrypts it, or it is no key of its algorithm. ` +
          'Unless this instance knows it already, it refuses the tokens of this key.',
      );
    }
    this.unopened = ids;
  }

  /** Reads the keys, once for all who ask before the reading begins, and some time after the last one. */
  private readFresh(): Promise<void> {
    this.nextReading ??= this.reading
      .catch(() => undefined)
      .then(() => {
        this.nextReading = null;
        const read = this.read();
        this.reading = read.then(pause, pause);
        return read;
      });
    return this.nextReading;
  }

  private async read(): Promise<void> {
    const stored = await this.repository.listAccepted();
    this.isAnswered = true;
    const before = this.keys;
    const { keys, unopened } = openKeys(this.cipher, stored, this.byId);
    this.reportUnopened(unopened);
    this.readAt = stored[0]?.readAt ?? new Date();
    this.keys = keys;
    this.byId = new Map(this.keys.map((key) => [key.id, key]));
    // What is not accepted any more, and whose time was not over.
    const revoked = before.filter(
      ({ id, acceptedUntil }) => !this.byId.has(id) && (acceptedUntil === null || acceptedUntil > this.readAt),
    );
    if (revoked.length > 0) {
      this.revokedIds.next(new Set(revoked.map(({ id }) => id)));
    }
  }
}

const pause = () => sleep(READS_EVERY_MS, undefined, { ref: false });
