// A receiver of webhooks, which takes everything after so many milliseconds: node receiver.mjs <milliseconds>
import { createServer } from 'node:http';

const takesMs = Number(process.argv[2]);
const server = createServer((request, response) => {
  const answer = () => response.writeHead(204).end();
  request.resume().on('end', () => (takesMs > 0 ? setTimeout(answer, takesMs) : answer()));
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
