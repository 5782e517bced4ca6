import { returnToOf } from '../../src/pages/return-to.js';

const ORIGINS = [
  'https://app.example.com',
  'http://localhost:5173',
  'https://xn--bcher-kva.example',
  'https://[2001:db8::1]:8443',
];

const sent = (address: string) => returnToOf(`/?return_to=${encodeURIComponent(address)}`, ORIGINS);
const asItIs = (address: string) => returnToOf(`/?return_to=${address}`, ORIGINS);

it.each([
  ['https://app.example.com', 'https://app.example.com/'],
  ['https://app.example.com/orders?page=2&sort=date#top', 'https://app.example.com/orders?page=2&sort=date#top'],
  ['http://localhost:5173/a%2Fb', 'http://localhost:5173/a%2Fb'],
  // The same origin, written differently: it is answered as a browser writes it.
  ['HTTPS://APP.EXAMPLE.COM/', 'https://app.example.com/'],
  ['https://app.example.com:443/', 'https://app.example.com/'],
  ['https://app.example.com/a/../b', 'https://app.example.com/b'],
  ['https:app.example.com/', 'https://app.example.com/'],
  ['https:///app.example.com/', 'https://app.example.com/'],
  ['https://bücher.example/', 'https://xn--bcher-kva.example/'],
  ['https://[2001:db8::1]:8443/', 'https://[2001:db8::1]:8443/'],
  // Another address inside it stays inside it.
  ['https://app.example.com//evil.example', 'https://app.example.com//evil.example'],
  ['https://app.example.com/?next=https://evil.example', 'https://app.example.com/?next=https://evil.example'],
])('%s is an address to return to', (address, expected) => {
  expect(sent(address)).toBe(expected);
});

it.each([
  '',
  '/',
  '/orders',
  'orders',
  '//app.example.com/',
  '//evil.example/',
  '/\\evil.example',
  '\\\\evil.example',
  'https://evil.example/',
  'https://app.example.com.evil.example/',
  'https://evil.example/https://app.example.com/',
  'https://evil.example#https://app.example.com/',
  'https://evil.example?https://app.example.com/',
  'https://app.example.com@evil.example/',
  'https://app.example.com:pass@evil.example/',
  'https://evil.example@app.example.com/',
  'https://user:secret@app.example.com/',
  'https://@app.example.com.evil.example/',
  'https://app.example.com\\@evil.example/',
  'https://evil.example\\.app.example.com/',
  'https:\\\\app.example.com\\',
  'https://app.example.com/\\evil.example',
  'https://app.example.com./',
  'https://app.example.com:444/',
  'https://app.example.com:80/',
  'http://app.example.com/',
  'https://localhost:5173/',
  'http://localhost/',
  'http://127.0.0.1:5173/',
  'https://sub.app.example.com/',
  'https://example.com/',
  'https://аpp.example.com/',
  'https://app。evil。example/',
  'https://bucher.example/',
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  ' javascript:alert(1)',
  'java\nscript:alert(1)',
  'javascript://app.example.com/%0Aalert(1)',
  'data:text/html,<script>alert(1)</script>',
  'vbscript:x',
  'blob:https://app.example.com/0f8fad5b-d9cb-469f-a165-70867728950e',
  'filesystem:https://app.example.com/temporary/x',
  'view-source:https://app.example.com/',
  'ftp://app.example.com/',
  'wss://app.example.com/',
  'file:///etc/passwd',
  'https://app.example.com\t.evil.example/',
  'https://app.exa\tmple.com/',
  'https://app.example.com/\r\nSet-Cookie: a=b',
  ' https://app.example.com/',
  'https://app.example.com/ ',
  'https://app.example.com/\u0000',
  'https://app.example.com%2eevil.example/',
  'https://app.example.com%00.evil.example/',
  'https%3A%2F%2Fapp.example.com%2F',
  'https://%61pp.example.com@evil.example/',
  'null',
  'https://',
  'https://[::1/',
  `https://app.example.com/${'a'.repeat(4096)}`,
])('%j is no address to return to', (address) => {
  expect(sent(address)).toBeNull();
});

it('An address that a proxy could not encode is taken whole, and checked as the others', () => {
  expect(asItIs('https://app.example.com/a?b=c&d=e')).toBe('https://app.example.com/a?b=c&d=e');
  expect(returnToOf('/?sign_out&return_to=https://app.example.com/?a=1&b=2', ORIGINS)).toBe(
    'https://app.example.com/?a=1&b=2',
  );
  expect(asItIs('https://app.example.com/&return_to=https://evil.example/')).toBe(
    'https://app.example.com/&return_to=https://evil.example/',
  );
  for (const address of [
    'https://evil.example/',
    '//evil.example/',
    'https://app.example.com@evil.example/',
    'javascript:1',
  ]) {
    expect([address, asItIs(address)]).toEqual([address, null]);
  }
  // Only that of the page's own address counts, not one inside another parameter.
  expect(returnToOf('/?x=return_to=https://app.example.com/', ORIGINS)).toBeNull();
});

it('An address that is there twice is none, nor is one that is not there, or where no origin is allowed', () => {
  const address = encodeURIComponent('https://app.example.com/');
  expect(returnToOf(`/?return_to=${address}&return_to=${address}`, ORIGINS)).toBeNull();
  expect(returnToOf(`/?RETURN_TO=${address}`, ORIGINS)).toBeNull();
  expect(returnToOf('/', ORIGINS)).toBeNull();
  expect(returnToOf(`/?return_to=${address}`, [])).toBeNull();
});
