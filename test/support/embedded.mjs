// A PostgreSQL of a test's own, in a process that the test can end: node embedded.mjs <folder> [port]
import { startEmbeddedPostgres } from '../../dist/database/embedded/embedded-postgres.js';

const [dataDir, port] = process.argv.slice(2);
const server = await startEmbeddedPostgres({ dataDir, isDurable: true, ...(port && { port: Number(port) }) });
console.log(server.url);
setInterval(() => undefined, 1 << 30);
process.once('SIGTERM', () => void server.stop().then(() => process.exit(0)));
