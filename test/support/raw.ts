import { connect, type Socket } from 'node:net';

/** Sends bytes as they are, and answers with all that comes back until the connection ends. */
export function raw(
  url: string,
  bytes: string,
  afterwards: (socket: Socket) => void = () => undefined,
): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(port), hostname, () => {
      socket.write(bytes, 'latin1');
      afterwards(socket);
    });
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('close', () => resolve(answer)).on('error', reject);
  });
}
