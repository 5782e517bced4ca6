// The floor: answers the bytes that the service would, and does nothing else.
import { createServer } from 'node:http';

const { headers, body } = JSON.parse(process.env.ANSWER);
const server = createServer((_request, response) => {
  response.writeHead(200, headers);
  response.end(body);
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
// The benchmark is over, however it ended.
process.once('disconnect', () => process.exit());
