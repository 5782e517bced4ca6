// A receiver in a process that a test can kill or freeze: node receiver-process.mjs <port> <file>. What it has taken is a line of
// the file before it answers.
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [port, file] = process.argv.slice(2);
const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const { type, data } = JSON.parse(Buffer.concat(chunks).toString());
    appendFileSync(file, `${JSON.stringify({ id: request.headers['webhook-id'], type, session: data.sessionId })}\n`);
    response.writeHead(204).end();
  });
});
server.listen(Number(port), '127.0.0.1', () => process.send?.('listening'));
