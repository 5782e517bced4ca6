import { AppConfig } from '../../src/config/config.js';
import {
  type AuthenticRefreshToken,
  hashRefreshToken,
  RefreshTokens,
} from '../../src/sessions/refresh/refresh-token.js';
import { refreshVerdict } from '../../src/sessions/refresh/refresh-verdict.js';

const SESSION_ID = '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61';
const tokensOf = (...refreshTokenSecrets: string[]) =>
  new RefreshTokens(Object.assign(new AppConfig(), { refreshTokenSecrets }));

const NEW_SECRET = 'n'.repeat(32);
const OLD_SECRET = 'o'.repeat(32);
const tokens = tokensOf(NEW_SECRET, OLD_SECRET);
const first = tokens.read(tokens.issue(SESSION_ID))!;
const read = (token: string): AuthenticRefreshToken => tokens.read(token)!;
const at = (generation: number): AuthenticRefreshToken => read(first.at(generation)[0]!);

type State = NonNullable<Parameters<typeof refreshVerdict>[2]>;

/** A session in its fifth generation, whose predecessor is no longer good. */
function stateOf(changes: Partial<State> = {}, session: Partial<State['session']> = {}): State {
  const refreshTokenHash = hashRefreshToken(first.at(5)[0]!);
  const state = { isRevoked: false, isJustLoggedOut: false, isExpired: false, honoursPredecessor: false, ...changes };
  return { ...state, session: { delivery: 'cookie', generation: 5, refreshTokenHash, ...session } } as State;
}

const revoked = { isRevoked: true };
const expired = { isExpired: true };
const honouring = { honoursPredecessor: true };

it.each([
  ['the current token of an active session', 'current', at(5), stateOf()],
  ['the current token of a revoked session', 'revoked', at(5), stateOf(revoked)],
  ['the current token of an expired session', 'expired', at(5), stateOf(expired)],
  ['the current token of a session both revoked and expired', 'revoked', at(5), stateOf({ ...revoked, ...expired })],
  ['a predecessor that is still good', 'predecessor', at(4), stateOf(honouring)],
  ['a predecessor that is no longer good', 'reused', at(4), stateOf()],
  ['a good predecessor of a revoked session', 'revoked', at(4), stateOf({ ...honouring, ...revoked })],
  ['a good predecessor of an expired session', 'expired', at(4), stateOf({ ...honouring, ...expired })],
  ['a bad predecessor of a revoked session', 'reused', at(4), stateOf(revoked)],
  ['a token two generations old, though a predecessor is good', 'reused', at(3), stateOf(honouring)],
  ['the first token of a revoked session', 'reused', at(1), stateOf(revoked)],
  ['the first token of an expired session', 'reused', at(1), stateOf(expired)],
  ['a token of a generation that does not exist yet', 'forged', at(6), stateOf()],
  ['an old token with another nonce', 'forged', read(tokens.issue(SESSION_ID)), stateOf()],
  ['an old token with another nonce, of a revoked session', 'forged', read(tokens.issue(SESSION_ID)), stateOf(revoked)],
  ['a token whose session is not there', 'unknown', at(5), null],
])('A refresh with %s gets the verdict "%s"', (_, verdict, token, state) => {
  expect(refreshVerdict(token, 'cookie', state)).toMatchObject({ verdict });
});

it.each([1, 4, 5])(
  'A token of generation %i that comes in another way than it was delivered gets the verdict "forged"',
  (generation) => {
    expect(refreshVerdict(at(generation), 'body', stateOf(honouring)).verdict).toBe('forged');
  },
);

it('A good predecessor is answered with the current token, also where that was made with the former secret', () => {
  const current = first.at(5)[1]!;
  expect(tokensOf(OLD_SECRET).read(current)).not.toBeNull();
  const state = stateOf(honouring, { refreshTokenHash: hashRefreshToken(current) });
  expect(refreshVerdict(at(4), 'cookie', state)).toMatchObject({ verdict: 'predecessor', refreshToken: current });
});
