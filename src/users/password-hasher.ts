import { Injectable, type OnModuleInit } from '@nestjs/common';
import { EventEmitter2 } from '@nestjs/event-emitter';
import { hash, verify } from '@node-rs/argon2';
import pLimit from 'p-limit';
import { ServiceUnavailableError } from '../common/problem.js';
import { AppConfig } from '../config/config.js';
import { PasswordHashed } from './users.events.js';

const RETRY_AFTER_SECONDS = 2;
const PHC = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$/;

/**
 * Argon2id (ASVS 11.4.2) off the event loop, a bounded number at a time, with a bounded queue: logins can neither
 * starve other routes nor fill the memory. Beyond the queue it throws {@link ServiceUnavailableError}.
 */
@Injectable()
export class PasswordHasher implements OnModuleInit {
  private readonly limit;
  // The library's default algorithm is Argon2id.
  private readonly options;
  private decoyHash = '';

  constructor(
    private readonly config: AppConfig,
    private readonly events: EventEmitter2,
  ) {
    this.limit = pLimit(config.passwordHashParallel);
    this.options = {
      memoryCost: config.passwordHashMemoryKib,
      timeCost: config.passwordHashPasses,
      parallelism: 1,
    };
  }

  async onModuleInit(): Promise<void> {
    this.decoyHash = await this.hash('the password of nobody');
  }

  /** How many are hashed or wait for it. */
  get queueLength(): number {
    return this.limit.activeCount + this.limit.pendingCount;
  }

  /** A PHC string with a salt of its own. */
  hash(password: string): Promise<string> {
    return this.inTurn(() => hash(normalise(password), this.options));
  }

  /** Whether the whole password is the one that was hashed. Without a hash it takes as long, and says no. */
  async verify(password: string, passwordHash: string | null): Promise<boolean> {
    const isRight = await this.inTurn(() => verify(passwordHash ?? this.decoyHash, normalise(password)));
    return isRight && passwordHash !== null;
  }

  /** Whether a hash is weaker than what we would make today. */
  isOutdated(passwordHash: string): boolean {
    const [, memory, passes, lanes] = PHC.exec(passwordHash) ?? [];
    const { memoryCost, timeCost, parallelism } = this.options;
    return Number(memory ?? 0) < memoryCost || Number(passes) < timeCost || Number(lanes) < parallelism;
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
      this.events.emit(PasswordHashed.name, new PasswordHashed(performance.now() - startedAt));
    }
  }
}

// The same characters typed on another keyboard may arrive composed otherwise (NIST SP 800-63B-4, 3.1.1.2).
const normalise = (password: string): string => password.normalize('NFC');
