// As wrk.lua, for machines without wrk: node load.mjs <url> <file of headers> <connections> <seconds> <sent before>
import { readFileSync } from 'node:fs';
import autocannon from 'autocannon';

const [url, file, connections, seconds, sent] = process.argv.slice(2);
const requests = readFileSync(file, 'utf8')
  .trim()
  .split('\n')
  .map((line) => ({ headers: Object.fromEntries([line.split(/: (.*)/s).slice(0, 2)]) }));
// Each connection begins elsewhere, or all of them would be the same caller at the same moment.
let next = 0;
const share = Math.floor(requests.length / Number(connections));
const result = await autocannon({
  url,
  connections: Number(connections),
  duration: Number(seconds),
  setupClient: (client) => {
    const from = (Number(sent) + share * next++) % requests.length;
    client.setRequests([...requests.slice(from), ...requests.slice(0, from)]);
  },
});
console.log(
  JSON.stringify({
    requests: result.requests.total,
    seconds: result.duration,
    p50: result.latency.p50,
    p99: result.latency.p99,
    failures: result.non2xx + result.errors + result.timeouts,
  }),
);
