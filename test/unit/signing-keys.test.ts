import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { AppConfig } from '../../src/config/config.js';
import { KeyCipher } from '../../src/keys/key-cipher.js';
import type { StoredKey } from '../../src/keys/keys.sql.js';
import { generateKey, generateKeyOf, type KeyPair, writeKey } from '../../src/keys/signing-key.js';
import { SigningKeys } from '../../src/keys/signing-keys.js';
import { ServiceUnavailableError } from '../../src/problems/problem.js';
import { SECRETS } from '../support/secrets.js';

const cipher = new KeyCipher([SECRETS.JWT_SECRET]);
const LONG_AGO = new Date(0);

const warned = jest.spyOn(Logger.prototype, 'warn').mockReturnValue(undefined);
beforeEach(() => warned.mockClear());
const logged = jest.spyOn(Logger.prototype, 'log').mockReturnValue(undefined);
afterAll(() => [warned, logged].forEach((mock) => mock.mockRestore()));

/** The keys as an instance knows them, over a table that the test changes. */
function keysOver(table: StoredKey[]) {
  const listAccepted = jest.fn(() => Promise.resolve([...table]));
  const isDue: (algorithm: string) => boolean = () => false;
  const rotation = { isDue, ensure: jest.fn(), encryptAnew: jest.fn() };
  const config = Object.assign(new AppConfig(), { jwtSecrets: [SECRETS.JWT_SECRET], sessionCheckTimeoutMs: 200 });
  const notifications: any = { listen: () => undefined };
  const repository: any = { listAccepted };
  return { keys: new SigningKeys(repository, rotation as any, notifications, config), listAccepted, rotation };
}

const stored = (key: KeyPair, signsFrom = LONG_AGO): StoredKey => ({
  id: key.id,
  algorithm: key.algorithm,
  encryptedKey: cipher.encrypt(key.id, writeKey(key)),
  signsFrom,
  acceptedUntil: null,
  readAt: new Date(),
});
const storedKey = (signsFrom = LONG_AGO): StoredKey => stored(generateKey(), signsFrom);

it('A key that is known is found without asking the database', async () => {
  const row = storedKey();
  const { keys, listAccepted } = keysOver([row]);
  await keys.find(row.id);
  for (let i = 0; i < 100; i++) expect((await keys.find(row.id))?.id).toBe(row.id);
  expect(listAccepted).toHaveBeenCalledTimes(1);
});

it('However many tokens name keys that do not exist, the database is asked for all of them together', async () => {
  const { keys, listAccepted } = keysOver([storedKey()]);
  await keys.find('of nobody');
  const found = await Promise.all(Array.from({ length: 1000 }, (_, i) => keys.find(`${i}`)));
  expect(found.filter((key) => key !== null)).toEqual([]);
  expect(listAccepted).toHaveBeenCalledTimes(2);
});

it('A key that is made just after the database was asked for another one is found all the same', async () => {
  const table = [storedKey()];
  const { keys } = keysOver(table);
  await keys.find('of nobody');
  const row = storedKey();
  table.push(row);
  expect((await keys.find(row.id))?.id).toBe(row.id);
});

it('A database that does not answer is no answer, and is asked again', async () => {
  const row = storedKey();
  const { keys, listAccepted } = keysOver([row]);
  listAccepted.mockRejectedValueOnce(new Error('no answer'));
  await expect(keys.find(row.id)).rejects.toThrow(ServiceUnavailableError);
  expect((await keys.find(row.id))?.id).toBe(row.id);
});

it('While the database hangs the known keys are published, an unknown one is a 503, and the log says so once', async () => {
  const row = storedKey();
  const { keys, listAccepted } = keysOver([row]);
  await keys.find(row.id);
  let answer: (rows: StoredKey[]) => void = () => undefined;
  listAccepted.mockReturnValueOnce(new Promise((resolve) => (answer = resolve)));
  for (let i = 0; i < 3; i++) {
    expect((await keys.listAccepted()).map(({ id }) => id)).toEqual([row.id]);
    await expect(keys.find('of nobody')).rejects.toThrow(ServiceUnavailableError);
  }
  expect(warned).toHaveBeenCalledTimes(1);
  answer([row]);
  expect(await keys.find('of nobody')).toBeNull();
});

it('Where no key was ever read, an empty set is not published', async () => {
  const { keys, listAccepted } = keysOver([storedKey()]);
  listAccepted.mockRejectedValueOnce(new Error('no answer'));
  await expect(keys.listAccepted()).rejects.toThrow(ServiceUnavailableError);
  expect(await keys.listAccepted()).toHaveLength(1);
});

it('An instance starts with the key it has where the next one cannot be made yet, and not where the schema is wrong', async () => {
  const row = storedKey();
  const readOnly = Object.assign(new Error('read-only transaction'), { code: '25006' });
  const { keys, rotation } = keysOver([row]);
  rotation.isDue = () => true;
  rotation.ensure.mockRejectedValue(readOnly);
  await keys.onModuleInit();
  keys.onApplicationShutdown();
  expect(warned).toHaveBeenCalledWith(expect.stringContaining('read-only transaction'));
  expect((await keys.signing({ readAt: new Date(), keyIds: row.id })).id).toBe(row.id);

  const other = keysOver([row]);
  other.listAccepted.mockRejectedValue(Object.assign(new Error('no such table'), { code: '42P01' }));
  await expect(other.keys.onModuleInit()).rejects.toThrow('no such table');
});

it('A sole key signs though the clock of the database is behind the one that it was made by', async () => {
  const row = { ...storedKey(new Date(5000)), readAt: new Date(4000) };
  const { keys, rotation } = keysOver([row]);
  expect((await keys.signing({ readAt: new Date(4000), keyIds: row.id })).id).toBe(row.id);
  expect(rotation.ensure).not.toHaveBeenCalled();
});

it('A row that decrypts and is no key of its algorithm is skipped with one warning, and takes no other key with it', async () => {
  const row = storedKey();
  const written = ({ privateKey }: { privateKey: KeyObject }) => privateKey.export({ type: 'pkcs8', format: 'der' });
  const contents = {
    'of P-384': written(generateKeyPairSync('ec', { namedCurve: 'P-384' })),
    'of RSA with 1024 bits': written(generateKeyPairSync('rsa', { modulusLength: 1024 })),
    'of nothing': Buffer.from('no key'),
  };
  const broken = Object.entries(contents).flatMap(([id, content]) =>
    (['ES256', 'RS256'] as const).map((algorithm) => ({
      ...storedKey(),
      id: `${id} as ${algorithm}`,
      algorithm,
      encryptedKey: cipher.encrypt(`${id} as ${algorithm}`, content),
    })),
  );
  const { keys } = keysOver([...broken, row]);
  for (let i = 0; i < 3; i++) expect((await keys.listAccepted()).map(({ id }) => id)).toEqual([row.id]);
  expect(warned.mock.calls.map(([text]) => /the signing key (.*?):/.exec(text)![1])).toEqual(
    broken.map(({ id }) => id),
  );
});

it('A key of RS256 signs what is for receivers, and neither signs nor verifies anything else, whatever its row says', async () => {
  const [ec, rsa] = [generateKey(), await generateKeyOf('RS256')];
  const table = [stored(ec), stored(rsa)];
  const { keys, listAccepted } = keysOver(table);
  const moment = { readAt: new Date(), keyIds: `${ec.id} ${rsa.id}` };
  expect((await keys.signing(moment)).id).toBe(ec.id);
  expect((await keys.signing(moment, 'RS256')).id).toBe(rsa.id);
  expect((await keys.find(ec.id))?.id).toBe(ec.id);
  listAccepted.mockClear();
  expect(await keys.find(rsa.id)).toBeNull();
  // It is known: a flood of such tokens costs no query.
  expect(listAccepted).not.toHaveBeenCalled();

  // Who writes to the table makes no key of access tokens of it.
  const changed = keysOver([table[0]!, { ...table[1]!, algorithm: 'ES256', signsFrom: new Date() }]);
  expect((await changed.keys.listAccepted()).map(({ id }) => id)).toEqual([ec.id]);
  expect(await changed.keys.find(rsa.id)).toBeNull();
  expect((await changed.keys.signing(moment)).id).toBe(ec.id);
});

it('A request that needs a key of ES256 makes that one alone, and waits for no key of RS256', async () => {
  const table: StoredKey[] = [];
  const { keys, rotation } = keysOver(table);
  rotation.isDue = (algorithm) => table.every((row) => row.algorithm !== algorithm);
  rotation.ensure.mockImplementation((algorithm) => {
    table.push(stored(generateKey()));
    return Promise.resolve({ algorithm, signsFrom: LONG_AGO, reason: 'first' });
  });
  expect((await keys.signing({ readAt: new Date(), keyIds: '' })).id).toBe(table[0]!.id);
  expect(rotation.ensure.mock.calls).toEqual([['ES256']]);
});

it('A key of RS256 is made beside the event loop, and has 2048 bits', async () => {
  let turns = 0;
  const counting = setInterval(() => turns++);
  const { publicKey, algorithm } = await generateKeyOf('RS256');
  clearInterval(counting);
  expect([algorithm, publicKey.asymmetricKeyDetails?.modulusLength]).toEqual(['RS256', 2048]);
  expect(turns).toBeGreaterThan(0);
});

it('The key that signs is the one that began last at the moment of the statement, unless that was revoked by then', async () => {
  const [former, current, next] = [storedKey(), storedKey(new Date(1000)), storedKey(new Date(2000))];
  const table = [former, current, next];
  const { keys, listAccepted } = keysOver(table);
  const keyIds = table.map(({ id }) => id).join(' ');
  await keys.find(former.id);
  const signerAt = async (milliseconds: number) => (await keys.signing({ readAt: new Date(milliseconds), keyIds })).id;
  expect(await Promise.all([500, 1000, 1999, 2000].map(signerAt))).toEqual([
    former.id,
    current.id,
    current.id,
    next.id,
  ]);
  expect(listAccepted).toHaveBeenCalledTimes(1);

  const replacement = storedKey(new Date(3000));
  table.splice(0, 3, replacement);
  expect((await keys.signing({ readAt: new Date(2500), keyIds: replacement.id })).id).toBe(replacement.id);
});

it('A key that another instance encrypted anew with a secret that is not ours stays known, and another one does not become so', async () => {
  const row = storedKey();
  const table = [row];
  const { keys } = keysOver(table);
  await keys.find(row.id);
  const elsewhere = new KeyCipher(['a secret of another instance, of 32 bytes']);
  const foreign = generateKey();
  table.splice(
    0,
    1,
    { ...row, encryptedKey: elsewhere.encrypt(row.id, Buffer.from('encrypted anew')) },
    { ...storedKey(), id: foreign.id, encryptedKey: elsewhere.encrypt(foreign.id, writeKey(foreign)) },
  );
  expect(await keys.find(foreign.id)).toBeNull();
  expect((await keys.find(row.id))?.id).toBe(row.id);
});

it('A key that is gone was revoked, unless its time was over', async () => {
  const [over, leaked, kept] = [storedKey(), storedKey(), storedKey()];
  const table: StoredKey[] = [{ ...over, acceptedUntil: new Date(Date.now() - 1000) }, leaked, kept];
  const { keys } = keysOver(table);
  const revoked: string[] = [];
  keys.revoked.subscribe((ids) => revoked.push(...ids));
  await keys.find(kept.id);
  table.splice(0, 2);
  await keys.find('of nobody');
  expect(revoked).toEqual([leaked.id]);
  expect([over, leaked, kept].map(({ id }) => keys.isKnown(id))).toEqual([false, false, true]);
  expect(keys.isKnown(null)).toBe(true);
});
