// A receiver in a process that a test can kill or freeze: node receiver-process.mjs <port> <file>. What it has taken is a line of
// the file before it answers. It takes what the secret in <file>.secret has signed, and nothing while there is none.
import { appendFileSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Webhook } from 'standardwebhooks';

const [port, file] = process.argv.slice(2);
const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    let event;
    try {
      event = new Webhook(readFileSync(`${file}.secret`, 'utf8')).verify(Buffer.concat(chunks), request.headers);
    } catch {
      response.writeHead(401).end();
      return;
    }
    const { type, data } = event;
    appendFileSync(file, `${JSON.stringify({ id: request.headers['webhook-id'], type, session: data.sessionId })}\n`);
    response.writeHead(204).end();
  });
});
server.listen(Number(port), '127.0.0.1', () => process.send?.('listening'));
