import { accessSync, constants, mkdirSync } from 'node:fs';
import { codeOf } from '../problems/error-code.js';
import { StartError } from '../problems/start-error.js';

/** Makes the folder if it is not there. Throws {@link StartError} where it cannot be written. */
export function prepareFolder(path: string): void {
  inDataDir(path, () => {
    mkdirSync(path, { recursive: true });
    accessSync(path, constants.W_OK | constants.X_OK);
  });
}

/** Runs what reads and writes in a folder of DATA_DIR. Throws {@link StartError} where the system refuses that. */
export function inDataDir<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const code = codeOf(error);
    throw /^E[A-Z]+$/.test(code)
      ? new StartError(
          `The folder ${path} cannot be used (${code}). Make it writable for this user, or set DATA_DIR to another one.`,
        )
      : error;
  }
}
