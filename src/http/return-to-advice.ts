import { Injectable, Logger, Module } from '@nestjs/common';
import { AppConfig } from '../config/config.js';
import { OriginAdvice } from './origin-advice.js';

/** For sites that send people to the page to sign in, which does not send them back. */
@Injectable()
export class ReturnToAdvice extends OriginAdvice {
  constructor(config: AppConfig) {
    const purpose = 'let this service send people there';
    super(config, { name: 'RETURN_TO_ORIGINS', origins: config.returnToOrigins, purpose }, new Logger('Return'));
  }

  /**
   * For an address that people are to be sent to.
   *
   * @param host where the page is at which they sign in, if they are to come from there
   */
  on({ origin }: URL, isAllowed: boolean, host?: string): void {
    if (isAllowed) this.onForeignCookies(origin, host);
    else this.onRefusal(origin, host);
  }
}

/** One for all who send people back, so that each origin is reported once. */
@Module({ providers: [ReturnToAdvice], exports: [ReturnToAdvice] })
export class ReturnToAdviceModule {}
