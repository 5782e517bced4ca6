// Loaded before the service by tests of names: FALSE_NAMES says what each resolves to, the first time, the second time and so on.
// { "name": [["127.0.0.1", "127.0.0.2"], ["127.0.0.3"]] }
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';

const names = new Map(Object.entries(JSON.parse(process.env.FALSE_NAMES)));
const lookup = dns.lookup;

dns.lookup = (host, options, done) => {
  const answers = names.get(host);
  if (!answers) return lookup(host, options, done);
  const addresses = (answers.length > 1 ? answers.shift() : answers[0]).map((address) => ({
    address,
    family: address.includes(':') ? 6 : 4,
  }));
  process.nextTick(() => (options.all ? done(null, addresses) : done(null, addresses[0].address, addresses[0].family)));
};
syncBuiltinESMExports();
