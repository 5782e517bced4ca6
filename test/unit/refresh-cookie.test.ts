import { AmbiguousRefreshTokenError } from '../../src/auth/auth.errors.js';
import { RefreshCookie } from '../../src/auth/refresh-cookie.js';
import { AppConfig } from '../../src/config/config.js';

type Request = Parameters<RefreshCookie['read']>[0];
type Adapter = ConstructorParameters<typeof RefreshCookie>[0];

const cookieOf = (isCookieSecure: boolean) =>
  new RefreshCookie({} as Adapter, Object.assign(new AppConfig(), { isCookieSecure }));
const plain = cookieOf(false);
const secure = cookieOf(true);

const request = (cookie: string | undefined, body?: unknown) => ({ headers: { cookie }, body }) as unknown as Request;
const read = (cookie: string | undefined, of = plain) => of.read(request(cookie), undefined)?.token ?? null;

it.each([
  ['alone', 'refresh_token=a'],
  ['among others', 'theme=dark; refresh_token=a; lang=de'],
  ['without a space before it', 'theme=dark;refresh_token=a'],
  ['between spaces and tabs', ' \t refresh_token=a \t ;'],
  ['twice with one value', 'refresh_token=a; refresh_token=a'],
  ['after pairs that are none', ';;=;theme; refresh_token=a'],
  ['beside look-alikes', 'Refresh_Token=b; xrefresh_token=b; refresh_token2=b; refresh_token=a; $Version=1'],
])('The cookie is found %s', (_, header) => {
  expect(read(header)).toBe('a');
});

it.each([
  ['an equals sign', 'refresh_token=a=b', 'a=b'],
  ['quotes', 'refresh_token="a"', '"a"'],
  ['a blank inside', 'refresh_token=a b', 'a b'],
  ['nothing', 'refresh_token=', ''],
  ['an escape', 'refresh_token=%61', '%61'],
  ['a comma', 'refresh_token=a, refresh_token=b', 'a, refresh_token=b'],
])('The value of a cookie that has %s is taken as it is', (_, header, value) => {
  expect(read(header)).toBe(value);
});

it.each([
  ['no header', undefined],
  ['an empty header', ''],
  ['a name in capitals', 'REFRESH_TOKEN=a'],
  ['a longer name', 'refresh_token2=a'],
  ['a name with something before it', 'xrefresh_token=a'],
  ['a name with the prefix of secure cookies', '__Host-refresh_token=a'],
  ['a blank between name and sign', 'refresh_token =a'],
  ['a name without a sign', 'refresh_token'],
  ['a name in the value of another', 'theme=refresh_token=a'],
  ['a name in quotes', '"refresh_token"=a'],
  ['an attribute of old specifications', '$Version=1, refresh_token=a'],
  ['an unbreakable space before the name', '\u00a0refresh_token=a'],
  ['a line separator before the name', '\u2028refresh_token=a'],
  ['a byte order mark before the name', '\ufeffrefresh_token=a'],
  ['a vertical tab before the name', '\u000brefresh_token=a'],
  ['a letter that looks the same', 'refresh_t\u043eken=a'],
  ['an escape in the name', 'refresh%5Ftoken=a'],
])('No cookie is found in %s', (_, header) => {
  expect(read(header)).toBeNull();
  expect(plain.isRefreshTokenSent(request(header))).toBe(false);
});

it('A secure cookie is found by its own name alone', () => {
  expect(read('refresh_token=a; __Host-refresh_token=b', secure)).toBe('b');
  expect(read('refresh_token=a; __host-refresh_token=b; __Secure-refresh_token=c', secure)).toBeNull();
});

it.each([
  ['two values of the cookie', 'refresh_token=a; refresh_token=b', undefined],
  ['two values that differ in case', 'refresh_token=a; refresh_token=A', undefined],
  ['two values that differ in a space that is none to HTTP', 'refresh_token=a; refresh_token=a\u00a0', undefined],
  ['a value and none', 'refresh_token=a; refresh_token=', undefined],
  ['a cookie and another token in the body', 'refresh_token=a', 'b'],
])('A request with %s is refused as ambiguous', (_, header, bodyToken) => {
  expect(() => plain.read(request(header), bodyToken)).toThrow(AmbiguousRefreshTokenError);
});

it('A token in the body counts as delivered there, also beside a cookie that has the same', () => {
  expect(plain.read(request(undefined), 'a')).toEqual({ token: 'a', delivery: 'body' });
  expect(plain.read(request('refresh_token=a'), 'a')).toEqual({ token: 'a', delivery: 'body' });
  expect(plain.read(request('refresh_token=a'), undefined)).toEqual({ token: 'a', delivery: 'cookie' });
});
