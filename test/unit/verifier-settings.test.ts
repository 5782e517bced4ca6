import {
  createVerifier,
  UnavailableError,
  type VerifierSettings,
  VerifierSettingsError,
} from '../../src/verifier/index.js';
import { guarded, warnOf } from '../../src/verifier/warnings.js';

const SECRET = 'the-secret-of-the-client';
const GOOD = { url: 'https://auth.example.com', clientId: 'an-id', clientSecret: SECRET };

// As an application in JavaScript, or an environment, may give them.
const problemsOf = (settings: object): readonly string[] => {
  try {
    createVerifier(settings as VerifierSettings);
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(VerifierSettingsError);
    expect((error as Error).message).not.toContain(SECRET);
    return (error as VerifierSettingsError).problems;
  }
};

it.each([
  {},
  { url: 'http://latchkey:3000' },
  { url: 'https://example.com/auth/' },
  {
    mode: 'strict',
    audience: 'shop',
    issuer: 'https://auth.example.com',
    realm: 'the shop',
    timeoutMs: 50,
    keysMaxAgeMs: 1000,
  },
  { mode: 'signature', clientId: undefined, clientSecret: undefined },
])('Settings that can work are accepted: %j', (settings) => {
  expect(problemsOf({ ...GOOD, ...settings })).toEqual([]);
});

it.each([
  ['url', { url: undefined }],
  ['url', { url: '' }],
  ['url', { url: 'auth.example.com' }],
  ['url', { url: 'ftp://auth.example.com' }],
  ['url', { url: `https://id:${SECRET}@auth.example.com` }],
  ['url', { url: 'https://auth.example.com/?a=b' }],
  ['mode', { mode: 'lax' }],
  ['clientId', { clientId: undefined }],
  ['clientId', { clientId: '' }],
  ['clientSecret', { clientSecret: undefined }],
  ['issuer', { issuer: '' }],
  ['audience', { audience: ['latchkey'] }],
  ['realm', { realm: 'a "quoted" one' }],
  ['realm', { realm: 'two\r\nlines' }],
  ['timeoutMs', { timeoutMs: 0 }],
  ['timeoutMs', { timeoutMs: '1000' }],
  ['timeoutMs', { timeoutMs: Number.NaN }],
  ['keysMaxAgeMs', { keysMaxAgeMs: 600_001 }],
  ['onError', { onError: 'log' }],
  ['clientID', { clientID: 'an-id' }],
])('A bad %s is refused by its name: %j', (name, settings) => {
  expect(problemsOf({ ...GOOD, ...settings })).toEqual([expect.stringContaining(name)]);
});

it('All that is wrong is said at once', () => {
  expect(problemsOf({ url: 'nowhere', mode: 'strict', timeoutMs: -1 })).toHaveLength(4);
});

it('A failure is a warning of the process, and of each kind one a minute', () => {
  const emit = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const warn = warnOf();
  for (const reason of ['timeout', 'timeout', 'unreachable'] as const)
    warn(new UnavailableError(reason, `it is ${reason}`));
  expect(emit.mock.calls).toEqual([
    ['it is timeout', { type: 'LatchkeyVerifierWarning', code: 'timeout' }],
    ['it is unreachable', { type: 'LatchkeyVerifierWarning', code: 'unreachable' }],
  ]);
  const now = jest.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_000);
  warn(new UnavailableError('timeout', 'it is again'));
  expect(emit).toHaveBeenCalledTimes(3);
  now.mockRestore();
  emit.mockRestore();
});

it('What onError throws changes nothing but a warning', () => {
  const emit = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const fail = () => {
    throw new Error('the log is full');
  };
  expect(() => guarded(fail)(new UnavailableError('timeout', 'late'))).not.toThrow();
  expect(emit).toHaveBeenCalledWith(expect.stringContaining('the log is full'), expect.anything());
  emit.mockRestore();
});
