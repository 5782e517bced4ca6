import { existsSync } from 'node:fs';
import { AppConfig } from './config.js';
import { loadConfig, type LoadOptions } from './load-config.js';

/** The settings of this process: `.env` in the working directory, overruled by the real environment. */
export function configOfProcess(options?: LoadOptions): AppConfig {
  if (existsSync('.env')) {
    process.loadEnvFile('.env');
  }
  return loadConfig(process.env, options);
}
