import dns, { lookup as lookupOf } from 'node:dns';
import { type AddressRules, isAllowedAddress, lookupAllowed } from '../../src/signals/receivers/receiver-address.js';
import { whatIsWrong } from '../../src/signals/receivers/receiver-url.js';

const PRODUCTION: AddressRules = { networks: [], allowsLoopback: false };
const DEVELOPMENT: AddressRules = { networks: [], allowsLoopback: true };
const NAMED: AddressRules = { networks: ['10.1.0.0/16', 'fd12:3456::/32', '192.0.2.7'], allowsLoopback: false };

describe('addresses that deliveries may go to', () => {
  it.each(['93.184.216.34', '8.8.8.8', '2606:2800:220:1:248:1893:25c8:1946', '::ffff:8.8.8.8'])(
    'An address of the internet is one: %s',
    (address) => {
      expect(isAllowedAddress(address, PRODUCTION)).toBe(true);
    },
  );

  it.each([
    '127.0.0.1',
    '127.8.8.8',
    '0.0.0.0',
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::127.0.0.1',
    '::7f00:1',
    '::2',
    '4000::1',
    'fec0::1',
    '100::1',
    '2001:db8::1',
    '3fff::1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::a00:1',
    '2002:7f00:1::',
    '2001::1',
    'fe80::1',
    'fe80::1%eth0',
    'fc00::1',
    'fd00:ec2::254',
    'ff02::1',
    'localhost',
    '127.1',
    '',
  ])('What is not of the internet is none: %s', (address) => {
    expect(isAllowedAddress(address, PRODUCTION)).toBe(false);
  });

  it('Networks that the operator names are, and nothing beside them', () => {
    expect(
      ['10.1.2.3', '::ffff:10.1.2.3', 'fd12:3456::1', '192.0.2.7'].map((one) => isAllowedAddress(one, NAMED)),
    ).toEqual([true, true, true, true]);
    expect(['10.2.0.1', 'fd12:3457::1', '127.0.0.1', '192.0.2.8'].map((one) => isAllowedAddress(one, NAMED))).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  it('This machine is one for developers alone', () => {
    for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
      expect(isAllowedAddress(address, DEVELOPMENT)).toBe(true);
    }
    expect(isAllowedAddress('192.168.1.1', DEVELOPMENT)).toBe(false);
  });
});

describe('names', () => {
  const resolve = (host: string, rules: AddressRules, all: boolean) =>
    new Promise<{ error: Error | null; addresses: unknown }>((done) => {
      lookupAllowed(rules)(host, { all } as never, (error, addresses) => done({ error, addresses }));
    });

  it('A name that is an address of this machine has none for deliveries', async () => {
    await expect(new Promise((done) => lookupOf('localhost', (_, address) => done(address)))).resolves.toMatch(
      /^(127|::1)/,
    );
    for (const all of [true, false]) {
      const { error } = await resolve('localhost', PRODUCTION, all);
      expect(error?.message).toMatch(/localhost is .*not an address of the internet/);
      expect((await resolve('localhost', DEVELOPMENT, all)).error).toBeNull();
    }
  });
});

describe('lookups', () => {
  it('Those who ask for a name at the same moment share one lookup, and the next one is another', async () => {
    const asked = jest.spyOn(dns, 'lookup');
    const lookupOne = lookupAllowed(DEVELOPMENT);
    const ask = (host: string) =>
      new Promise((done) => lookupOne(host, { all: true }, (error, addresses) => done(error ?? addresses)));
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask('localhost')));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(asked).toHaveBeenCalledTimes(1);
    await ask('localhost');
    expect(asked).toHaveBeenCalledTimes(2);
    // One that has no address is no end either.
    const failed = await Promise.all([ask('no.such.name.invalid'), ask('no.such.name.invalid')]);
    expect(failed).toEqual([expect.any(Object), expect.any(Object)]);
    expect(asked).toHaveBeenCalledTimes(3);
    await ask('no.such.name.invalid');
    expect(asked).toHaveBeenCalledTimes(4);
    asked.mockRestore();
  });
});

describe('URLs of receivers', () => {
  it.each([
    'https://hooks.example.com/latchkey?team=1',
    'https://hooks.example.com:8443/',
    'https://93.184.216.34/',
    'https://[2606:2800:220:1:248:1893:25c8:1946]/',
    'https://bücher.example.com/王?q=%20%0a',
  ])('This one is taken: %s', (url) => {
    expect(whatIsWrong(url, PRODUCTION)).toBeNull();
  });

  it.each([
    ['hooks.example.com', 'must be an https URL'],
    ['ftp://example.com/', 'must be an https URL'],
    ['javascript:alert(1)', 'must be an https URL'],
    [`https://example.com/${'a'.repeat(2048)}`, 'must be an https URL'],
    ['http://hooks.example.com/', 'must begin with https://'],
    ['http://127.0.0.1/', 'must begin with https://'],
    ['https://me:secret@example.com/', 'must have no credentials'],
    ['https://example.com/#part', 'must have no fragment'],
    ['https://127.0.0.1/', 'must not lead to'],
    ['https://2130706433/', 'must not lead to'],
    ['https://0x7f000001/', 'must not lead to'],
    ['https://0177.0.0.1/', 'must not lead to'],
    ['https://127.1/', 'must not lead to'],
    ['https://①②⑦.0.0.1/', 'must not lead to'],
    ['https://[::1]/', 'must not lead to'],
    ['https://[::ffff:7f00:1]/', 'must not lead to'],
    ['https://[64:ff9b::7f00:1]/', 'must not lead to'],
    ['https://localhost/', 'must not lead to'],
    ['https://localhost./', 'must not lead to'],
    ['https://LOCALHOST/', 'must not lead to'],
    ['https://db.localhost/', 'must not lead to'],
    ['https://169.254.169.254/latest/meta-data/', 'must not lead to'],
    ['https://exa\tmple.com/', 'must not contain'],
    ['https://example.com/\nINFO fake line', 'must not contain'],
    ['https://example.com/\u001b[31m', 'must not contain'],
    ['https://example.com/\u0085', 'must not contain'],
    ['https://example.com/\u202egnp', 'must not contain'],
    ['https://example.com/\u200f', 'must not contain'],
    ['https://exa\u00admple.com/', 'must not contain'],
    ['https://example.com/\ud800', 'must not contain'],
    ['\u0001https://example.com/', 'must not contain'],
    [' https://example.com/', 'must not contain'],
    ['https://example.com/\u3000', 'must not contain'],
    ['https://example.com/a b', 'must not contain'],
  ])('This one is refused: %j', (url, why) => {
    expect(whatIsWrong(url, PRODUCTION)).toContain(why);
  });

  it('Outside production http leads to this machine, and nowhere else', () => {
    for (const url of ['http://127.0.0.1:4000/', 'http://localhost:4000/', 'http://[::1]/', 'https://localhost/']) {
      expect(whatIsWrong(url, DEVELOPMENT)).toBeNull();
    }
    for (const url of ['http://10.0.0.1/', 'http://example.com/']) {
      expect(whatIsWrong(url, DEVELOPMENT)).toContain('must begin with https://');
    }
  });
});
