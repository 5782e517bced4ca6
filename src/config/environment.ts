import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { AppConfig } from './config.js';
import { loadConfig, type LoadOptions } from './load-config.js';

/**
 * The settings of this process: `.env` in the working directory, overruled by the real environment. That one is left as
 * it is, since a worker inherits it and has to find the file as it is by then.
 */
export function configOfProcess(options?: LoadOptions): AppConfig {
  const written = existsSync('.env') ? parseEnv(readFileSync('.env', 'utf8')) : {};
  return loadConfig({ ...written, ...process.env }, options);
}
