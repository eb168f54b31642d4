import { execFile } from 'node:child_process';
import fs from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PageCache } from 'pinfold';
import { expect, test } from 'vitest';
import { HEADER_BYTES, receive } from '../../examples/upload/receiver.ts';
import { testDirectory } from '../support/directory.ts';
import { root } from '../support/root.ts';

const MAIN = join(root, 'examples/upload/dist/main.js');
const LIMIT_MS = 60_000;

test('receives uploads into pinned pages while they are synced', { timeout: LIMIT_MS }, async () => {
  const args = [MAIN, '--uploads', '3', '--bytes', '3000001'];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: LIMIT_MS });
  expect(stdout).toMatch(/^3 uploads of 3000001 bytes; [1-9]\d* fsyncs meanwhile/);
  expect(stdout).toContain('0 headers were not in the file');
  expect(stdout).toContain('3 of 3 files have, by SHA-256, what was sent');
});

test('refuses an option that is out of range, and names it', async () => {
  const run = promisify(execFile)(process.execPath, [MAIN, '--uploads', '17'], { timeout: LIMIT_MS });
  await expect(run).rejects.toThrow("--uploads must be a whole number from 1 to 16, got '17'");
});

/** Receives what a server sends that then closes the connection; `use` is called with the file meanwhile and afterwards. */
async function received(
  sent: Buffer,
  keepOpen = false,
): Promise<{ result: Promise<number>; stored: () => Promise<Buffer>; end(): Promise<void> }> {
  const path = join(testDirectory(), 'upload');
  const cache = await PageCache.create({ memory: 2 ** 20 });
  const file = await cache.open(path, { create: true });
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.write(sent);
    if (!keepOpen) socket.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const result = receive({ file, number: 7, port, timeoutMs: 500, onHeader: () => {} });
  result.catch(() => {});
  return {
    result,
    stored: async () => {
      await file.fsync();
      return fs.readFileSync(path);
    },
    end: async () => {
      server.close();
      await cache.close(); // it would refuse if a page were pinned still
    },
  };
}

function upload(bytes: Buffer, size = bytes.length): Buffer {
  const head = Buffer.alloc(8);
  head.writeBigUInt64BE(BigInt(size));
  return Buffer.concat([head, bytes]);
}

test.each([1, 4088, 4089, 100_000])('stores %i bytes behind the headers of their pages', async (size) => {
  const bytes = Buffer.from(Array.from({ length: size }, (_, n) => (n * 7 + (n >> 8)) & 0xff));
  const { result, stored, end } = await received(upload(bytes));
  await expect(result).resolves.toBe(size);
  const file = await stored();
  const parts: Buffer[] = [];
  for (let at = 0; at < file.length; at += 4096) {
    expect([file.readUInt32BE(at), file.readUInt32BE(at + 4)]).toEqual([7, at / 4096]);
    parts.push(file.subarray(at + HEADER_BYTES, at + 4096));
  }
  expect(Buffer.concat(parts).equals(bytes)).toBe(true);
  await end();
});

test('an upload that ends early is refused, and nothing stays pinned', async () => {
  const { result, end } = await received(upload(Buffer.alloc(5000), 9000));
  await expect(result).rejects.toThrow('the upload ended after 5000 of 9000 bytes');
  await end();
});

test('an upload that falls silent is refused, and nothing stays pinned', async () => {
  const { result, end } = await received(upload(Buffer.alloc(5000), 9000), true);
  await expect(result).rejects.toThrow('nothing came within 500 ms');
  await end();
});
