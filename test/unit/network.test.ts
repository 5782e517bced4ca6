import { sourceOf } from '../../src/http/request-source.js';
import { networkOf } from '../../src/limits/network.js';

type Request = Parameters<typeof sourceOf>[0];

/** What is recorded of a request from an address, as a proxy or the connection itself says it. */
const recorded = (ip: string, remoteAddress = '192.0.2.1') =>
  sourceOf({ ip, socket: { remoteAddress }, headers: {}, id: 'a-request' } as unknown as Request).ip;

it.each([
  ['203.0.113.9', '203.0.113.9'],
  ['::ffff:203.0.113.9', '203.0.113.9'],
  ['::FFFF:203.0.113.9', '203.0.113.9'],
  ['::ffff:cb00:7109', '203.0.113.9'],
  ['0:0:0:0:0:ffff:203.0.113.9', '203.0.113.9'],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['2001:0db8::0001', '2001:db8::1'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['::1', '::1'],
])('The address %s is recorded in its one spelling, %s', (ip, canonical) => {
  expect(recorded(ip)).toBe(canonical);
});

it.each(['unknown', '', 'a.b.c.d', '203.0.113.999', '203.0.113.9:80', '[::1]', '2001:db8::1::2', '_hidden'])(
  'Where a proxy says "%s", which is no address, the address of the connection is recorded',
  (ip) => {
    expect(recorded(ip, '::ffff:192.0.2.7')).toBe('192.0.2.7');
  },
);

it.each([
  ['203.0.113.9', '203.0.113.9'],
  ['2001:db8:1:2::', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
  ['2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
  ['2001:db8:1:3::1', '2001:db8:1:3::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:db8::1:2:3:4:5', '2001:db8:0:1::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
])('A limit counts the address %s as %s', (ip, network) => {
  expect(networkOf(ip)).toBe(network);
});

it('All spellings of an address count as one', () => {
  const spellings = ['2001:db8:0:0:0:0:0:1', '2001:DB8::1', '2001:0db8:0000::0001', '2001:db8::1%eth0'];
  expect(new Set(spellings.map((ip) => networkOf(recorded(ip))))).toEqual(new Set(['2001:db8:0:0::/64']));
});
