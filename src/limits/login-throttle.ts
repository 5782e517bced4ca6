import { Injectable } from '@nestjs/common';
import type { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible';
import { AuditTrail } from '../audit/audit-trail.js';
import { TooManyRequestsError } from '../problems/problem.js';
import type { RequestSource } from '../http/request-source.js';
import { AppConfig } from '../config/config.js';
import type { KeyedLimit } from './keyed-limit.js';
import { limitHit } from './limits.measurements.js';
import { accountKey, refusalOf } from './limiter.js';
import { Limiters } from './limiters.js';
import { networkOf } from './network.js';

const DAY_SECONDS = 86_400;
const MINUTE_SECONDS = 60;

/** A try that was admitted: its result decides whether it counts. */
interface Try {
  readonly account: string;
  readonly source: RequestSource;
  /** Whether it took the turn that the account's delay allows. */
  readonly isDelayed: boolean;
}

/**
 * Bounds the guessing of passwords, for every route that checks one (RA-04): per account, from anywhere and whether
 * or not there is such an account, and per client network.
 *
 * A try is counted before its password is looked at and given back when it was right, so that a burst gets no more of
 * them than tries one after the other (RL-04). The first few per account are free. Then a gate lets one pass at a time
 * and stays closed for a delay that doubles with each failure; meanwhile even the right password waits.
 */
@Injectable()
export class LoginThrottle {
  private readonly free: RateLimiterPostgres;
  private readonly gate: RateLimiterPostgres;
  private readonly delayed: RateLimiterPostgres;
  private readonly delayedMax: number;
  private readonly addresses: KeyedLimit;

  constructor(
    limiters: Limiters,
    private readonly audit: AuditTrail,
    private readonly config: AppConfig,
  ) {
    // The last of the free failures closes the gate, so it goes through it.
    const freeMax = config.loginFreeFailures - 1;
    this.delayedMax = config.loginMaxFailures - freeMax;
    this.free = limiters.create({ name: 'login_free', points: freeMax, windowSeconds: DAY_SECONDS });
    this.gate = limiters.create({ name: 'login_gate', points: 1, windowSeconds: 1 });
    this.delayed = limiters.create({
      name: 'login_delayed',
      points: this.delayedMax,
      windowSeconds: DAY_SECONDS,
    });
    this.addresses = limiters.createKeyed({
      event: 'login_throttled',
      name: 'login_address',
      counts: 'address',
      points: config.loginFailuresPerAddress,
      setting: config.settingToName('LOGIN_FAILURES_PER_ADDRESS'),
      windowSeconds: MINUTE_SECONDS,
    });
  }

  /**
   * Runs a check of a password, if another try is allowed. The check answers null where the password was wrong, and
   * that is what counts; where it throws, nothing was tried. Throws {@link TooManyRequestsError} without running it.
   *
   * @param email normalised
   */
  async guard<T>(email: string, source: RequestSource, check: () => Promise<T | null>): Promise<T | null> {
    if (!this.config.hasRateLimits) {
      return check();
    }
    const attempt = await this.admit(email, source);
    const result = await check().catch(async (error: unknown) => {
      await this.giveBack(attempt);
      throw error;
    });
    if (result !== null) {
      await this.forget(attempt);
    } else if (attempt.isDelayed) {
      await this.audit.record({ type: 'login_throttled', outcome: 'failure', reason: 'account' }, source);
    }
    return result;
  }

  /** Forgets the failures of an account whose owner has proved to be who they are in another way. */
  async forgetFailures(email: string): Promise<void> {
    const account = accountKey(email);
    await Promise.all([this.free, this.gate, this.delayed].map((limiter) => limiter.delete(account)));
  }

  private async admit(email: string, source: RequestSource): Promise<Try> {
    const account = accountKey(email);

    const closed = await this.gate.get(account);
    if (closed) {
      this.refuse(closed);
    }
    await this.addresses.consume(networkOf(source.ip), source);
    const isDelayed = (await refusalOf(this.free.consume(account))) !== null;
    if (isDelayed) {
      await this.passGate(account);
    }
    return { account, source, isDelayed };
  }

  // The try that takes the only point of the gate is admitted, and it alone adds to the count that sets the next delay.
  private async passGate(account: string): Promise<void> {
    const counted = await this.delayed.get(account);
    const failures = counted?.consumedPoints ?? 0;
    if (counted && failures >= this.delayedMax) {
      this.refuse(counted);
    }
    const { loginDelaySeconds, loginMaxDelaySeconds } = this.config;
    const delaySeconds = Math.min(loginDelaySeconds * 2 ** failures, loginMaxDelaySeconds);
    const refusal = await refusalOf(this.gate.consume(account, 1, { customDuration: delaySeconds }));
    if (refusal) {
      this.refuse(refusal);
    }
    await this.delayed.penalty(account);
  }

  private refuse({ msBeforeNext }: RateLimiterRes): never {
    limitHit.record({ limit: 'login_account' });
    throw new TooManyRequestsError(msBeforeNext, this.config.settingToName('LOGIN_FREE_FAILURES'));
  }

  private async forget({ account, source }: Try): Promise<void> {
    const counts = [this.free, this.gate, this.delayed].map((limiter) => limiter.delete(account));
    await Promise.all([...counts, this.addresses.giveBack(networkOf(source.ip))]);
  }

  private async giveBack({ account, source, isDelayed }: Try): Promise<void> {
    const counts = isDelayed ? [this.gate.delete(account), this.delayed.reward(account)] : [this.free.reward(account)];
    // Where the store fails too, the try stays counted: a delay is better than a free guess.
    await Promise.allSettled([...counts, this.addresses.giveBack(networkOf(source.ip))]);
  }
}
