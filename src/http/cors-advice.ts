import { Injectable, Logger } from '@nestjs/common';
import { AppConfig } from '../config/config.js';
import { OriginAdvice } from './origin-advice.js';

/** For pages of other origins, whose scripts the browser hides the answers from. */
@Injectable()
export class CorsAdvice extends OriginAdvice {
  constructor(config: AppConfig) {
    const setting = { name: 'CORS_ORIGINS', origins: config.corsOrigins, purpose: 'let its pages call this service' };
    super(config, setting, new Logger('CORS'));
  }
}
