import { randomBytes } from 'node:crypto';
import { chmodSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../problems/error-code.js';
import { inDataDir, prepareFolder } from './data-dir.js';

/**
 * A random secret of 48 bytes in base64url, made at the first call and the same ever after. The file is readable by
 * its owner alone. Of two processes that start together, both get the same one. Throws `StartError` where the folder
 * cannot be used.
 */
export function keepSecret(dataDir: string, name: string): string {
  return inDataDir(dataDir, () => readOrMake(dataDir, name));
}

function readOrMake(dataDir: string, name: string): string {
  const path = join(dataDir, name);
  const existing = readIfPresent(path);
  if (existing) {
    return existing;
  }

  prepareFolder(dataDir);
  // Written aside and linked into place: a link fails if the name is taken, and nobody reads half a secret.
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeFileSync(draft, `${randomBytes(48).toString('base64url')}\n`, { mode: 0o600 });
  try {
    linkSync(draft, path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  chmodSync(path, 0o600);
  return readFileSync(path, 'utf8').trim();
}

function readIfPresent(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}
