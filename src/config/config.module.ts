import { type DynamicModule, Global, Module } from '@nestjs/common';
import { AppConfig } from './config.js';

/** Provides every module with the settings that the service was started with. */
@Global()
@Module({})
export class ConfigModule {
  static forRoot(config: AppConfig): DynamicModule {
    return {
      module: ConfigModule,
      providers: [{ provide: AppConfig, useValue: config }],
      exports: [AppConfig],
    };
  }
}
