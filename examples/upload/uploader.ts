// The other side: sends a file's bytes in pieces of odd sizes, with pauses, as a network would.
import { createHash } from 'node:crypto';
import net from 'node:net';

const SIZE_BYTES = 8;
const PIECE_MAX = 20_000;

/** Offers `size` bytes that nobody can guess on a port of loopback, to one who connects. */
export async function offer(size: number): Promise<{ port: number; sent: Promise<string>; close(): void }> {
  const server = net.createServer();
  const sent = new Promise<string>((resolve, reject) => {
    server.once('error', reject);
    server.once('connection', (socket) => {
      socket.once('error', reject);
      send(socket, size).then(resolve, reject);
    });
  });
  sent.catch(() => {}); // heard of when it is waited for
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  return { port, sent, close: () => server.close() };
}

/** Sends the size and the bytes: their SHA-256. */
async function send(socket: net.Socket, size: number): Promise<string> {
  const hash = createHash('sha256');
  const head = Buffer.alloc(SIZE_BYTES);
  head.writeBigUInt64BE(BigInt(size));
  socket.write(head);
  for (let left = size; left > 0; ) {
    const piece = Buffer.alloc(Math.min(left, 1 + Math.floor(Math.random() * PIECE_MAX)));
    crypto.getRandomValues(piece);
    hash.update(piece);
    left -= piece.length;
    if (!socket.write(piece)) await new Promise((resolve) => socket.once('drain', resolve));
    if (Math.random() < 0.02) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  socket.end();
  return hash.digest('hex');
}
