import 'reflect-metadata';
import { configOfProcess } from '../config/environment.js';
import { runOnDatabase } from '../database/command.js';
import { KeyRotation } from '../keys/key-rotation.js';
import { SIGNING_ALGORITHM } from '../keys/signing-key.js';
import { StartError } from '../problems/start-error.js';

// Rotates the keys that sign: npm run keys:rotate; with --leaked, every key there is is refused from the end of the command
// on. The process ends with 0 where that was done, 1 where it was not, 2 where it was asked for something else.
async function main(): Promise<void> {
  const options = process.argv.slice(2);
  if (options.some((option) => option !== '--leaked')) {
    console.error('Say: npm run keys:rotate, or npm run keys:rotate -- --leaked');
    process.exitCode = 2;
    return;
  }
  const settings = configOfProcess();
  if (settings.jwtAlgorithm !== SIGNING_ALGORITHM) {
    throw new StartError('JWT_ALGORITHM is HS256: what signs is JWT_SECRET. Replace that.');
  }
  await runOnDatabase(settings, async (database, config) => {
    const rotation = new KeyRotation(database, config);
    console.log(await (options.length > 0 ? replaceLeaked(rotation) : rotate(rotation)));
  });
}

async function rotate(rotation: KeyRotation): Promise<string> {
  const next = await rotation.rotate();
  if (next.length === 0) {
    throw new StartError(
      'This JWT_SECRET opens no signing key. Run it with the settings of the service, once that has started.',
    );
  }
  return next
    .map(({ id, algorithm, signsFrom, isNew }) => {
      const when = `signs from ${signsFrom.toISOString()}`;
      return isNew
        ? `The key ${id} (${algorithm}) is published, and ${when}.`
        : `There is a next key of ${algorithm} already: ${id} is published, and ${when}. Nothing was changed.`;
    })
    .join('\n');
}

async function replaceLeaked(rotation: KeyRotation): Promise<string> {
  const { made, revoked } = await rotation.replaceAll('leaked');
  const old = revoked.length > 0 ? revoked.join(', ') : 'none, there was no key';
  const signing = made.map(({ id, algorithm }) => `The key ${id} (${algorithm}) signs.`);
  return [`Refused from now on: ${old}.`, ...signing, 'Each client refreshes once; nobody has to log in again.'].join(
    '\n',
  );
}

main().catch((error: unknown) => {
  console.error(error instanceof StartError ? error.message : error);
  process.exitCode = 1;
});
