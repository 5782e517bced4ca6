import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { PasswordHasher } from '../users/password-hasher.js';
import { passwordHashed } from '../users/users.measurements.js';
import { gauge, histogram, LATENCY_BUCKETS } from './instruments.js';

/** What passwords cost, and how many wait. */
@Injectable()
export class PasswordMetrics implements OnApplicationShutdown {
  readonly onApplicationShutdown: () => void;

  constructor(passwords: PasswordHasher) {
    const seconds = histogram('password_hash_duration_seconds', 'Duration of hashing a password, with waiting.', {
      buckets: LATENCY_BUCKETS,
    });
    gauge('password_hash_queue_length', 'Passwords being hashed or waiting.', {
      collect: (length) => length.set(passwords.queueLength),
    });
    this.onApplicationShutdown = passwordHashed.subscribe(({ milliseconds }) => seconds.observe(milliseconds / 1000));
  }
}
