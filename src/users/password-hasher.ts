import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { hash, parseOptions, verify } from '@node-rs/argon2';
import pLimit from 'p-limit';
import { ServiceUnavailableError } from '../problems/problem.js';
import { AppConfig } from '../config/config.js';
import type { User } from './user.entity.js';
import { passwordHashed } from './users.measurements.js';

const RETRY_AFTER_SECONDS = 2;
const CURRENT_KIND = '$argon2id$v=19$';
// To get the memory of a hash costs as much as one and a half passes over it, as measured.
const PASSES_TO_GET_MEMORY = 1.5;
const MEMORY_MIN_KIB = 8;

type Cost = Pick<ReturnType<typeof parseOptions>, 'memoryCost' | 'timeCost' | 'parallelism'>;

/**
 * Argon2id (ASVS 11.4.2) off the event loop, a bounded number at a time, with a bounded queue: logins can neither
 * starve other routes nor fill the memory. Beyond the queue it throws {@link ServiceUnavailableError}.
 */
@Injectable()
export class PasswordHasher implements OnModuleInit {
  private readonly logger = new Logger(PasswordHasher.name);
  private readonly limit;
  // The library's default algorithm is Argon2id.
  private readonly options;
  private decoyHash = '';

  constructor(private readonly config: AppConfig) {
    this.limit = pLimit(config.passwordHashParallel);
    this.options = {
      memoryCost: config.passwordHashMemoryKib,
      timeCost: config.passwordHashPasses,
      parallelism: 1,
    };
  }

  async onModuleInit(): Promise<void> {
    this.decoyHash = await this.hash('the password of no account');
  }

  /** How many are hashed or wait for it. */
  get queueLength(): number {
    return this.limit.activeCount + this.limit.pendingCount;
  }

  /** A PHC string with a salt of its own. */
  hash(password: string): Promise<string> {
    return this.inTurn(() => hash(normalise(password), this.options));
  }

  /**
   * Whether the whole password is the one of an account. It takes as long for a hash from when hashing was cheaper, and
   * where there is no account or its hash cannot be read: then the answer is no.
   */
  async verify(password: string, account: Pick<User, 'id' | 'passwordHash'> | null): Promise<boolean> {
    const cost = account && this.costOf(account);
    return this.inTurn(async () => {
      const isRight = await verify(account && cost ? account.passwordHash : this.decoyHash, normalise(password));
      if (account && cost) {
        await this.spendRest(cost);
        return isRight;
      }
      return false;
    });
  }

  /** Whether a hash is weaker than what we would make today. */
  isOutdated(passwordHash: string): boolean {
    const { memoryCost, timeCost, parallelism } = parseOptions(passwordHash);
    return (
      !passwordHash.startsWith(CURRENT_KIND) ||
      memoryCost < this.options.memoryCost ||
      timeCost < this.options.timeCost ||
      parallelism < this.options.parallelism
    );
  }

  private costOf({ id, passwordHash }: Pick<User, 'id' | 'passwordHash'>): Cost | null {
    try {
      return parseOptions(passwordHash);
    } catch (error) {
      this.logger.error(`The password hash of user ${id} cannot be read, so no password is right: ${String(error)}`);
      return null;
    }
  }

  // Until it is strengthened at its owner's login, a cheap hash would show by its time that there is such an account. Whole
  // passes over as much memory as today's go first: less of it would be had, and read, in less time.
  private async spendRest(spent: Cost): Promise<void> {
    const { memoryCost } = this.options;
    let rest = workOf(this.options) - workOf(spent);
    const timeCost = Math.floor(rest / memoryCost - PASSES_TO_GET_MEMORY);
    if (timeCost >= 1) {
      await hash('', { ...this.options, timeCost });
      rest -= workOf({ memoryCost, timeCost });
    }
    const remainder = { timeCost: 1, memoryCost: Math.floor(rest / workOf({ memoryCost: 1, timeCost: 1 })) };
    if (remainder.memoryCost >= MEMORY_MIN_KIB) {
      await hash('', { ...this.options, ...remainder });
    }
  }

  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const { passwordHashParallel, passwordHashQueue } = this.config;
    if (this.queueLength >= passwordHashParallel + passwordHashQueue) {
      throw new ServiceUnavailableError(RETRY_AFTER_SECONDS);
    }
    const startedAt = performance.now();
    try {
      return await this.limit(work);
    } finally {
      passwordHashed.record({ milliseconds: performance.now() - startedAt });
    }
  }
}

// The same characters typed on another keyboard may arrive composed otherwise (NIST SP 800-63B-4, 3.1.1.2).
const normalise = (password: string): string => password.normalize('NFC');

const workOf = ({ memoryCost, timeCost }: Pick<Cost, 'memoryCost' | 'timeCost'>): number =>
  memoryCost * (timeCost + PASSES_TO_GET_MEMORY);
