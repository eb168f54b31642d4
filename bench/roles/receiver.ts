// DMA from the network: what a socket receives lands straight in pinned pages.
import net from 'node:net';
import type { Page } from 'pinfold';
import { isStopped } from '../clock';
import type { PinnerResult, ReceiverTask, SenderTask } from '../tasks';
import { ARM_PINNED } from '../timeline';
import { TRANSFER_VALUES } from '../transfers';
import { holdsInTime, openPinnedFiles, READ_PART, releaseStaggered } from './pinner';

const HOST = '127.0.0.1';
const REQUEST_BYTES = 4;
/** Announces a transfer; received into a buffer of its own, so that no byte of a transfer can land in what was pinned for another. */
const PRELUDE_BYTES = 1;
/** No side waits longer than this for the other, ms. */
const TIMEOUT_MS = 10_000;
const LOOK_MS = 20;

/** Takes a write pin on every page, asks for as many bytes, and has libuv receive them into the pinned pages. */
export async function receiver(task: ReceiverTask): Promise<PinnerResult> {
  const result: PinnerResult = { taken: 0, dmaBytes: 0, words: 0, missed: 0 };
  const { holdStartNs, holdEndNs, holdArm } = task.timeline;
  const unpinOnLanding = holdStartNs[0] === holdEndNs[0];
  const { begun, landed } = task.transfers;
  const files = openPinnedFiles(task);
  const connection = await Connection.open(await portOf(task));
  let transfer = 0;
  try {
    for (const { file, endNs, n } of holdsInTime(task, files, () => result.missed++)) {
      const isTold = holdArm[n] === ARM_PINNED;
      transfer++;
      const drop = (page: Page): void => {
        const { index } = page;
        page.unpin();
        if (isTold) Atomics.store(landed, index, transfer);
      };
      const pages = Array.from({ length: task.pages }, (_, index) => file.pinSync(index, 'write'));
      if (isTold) for (const { index } of pages) Atomics.store(begun, index, transfer);
      await connection.receive(transfer, pages, unpinOnLanding ? drop : () => {});
      result.dmaBytes += pages.length * READ_PART.bytes;
      result.taken += pages.length;
      if (!unpinOnLanding) releaseStaggered(task, pages, endNs, drop);
    }
    return result;
  } finally {
    connection.close();
    files.close();
  }
}

/** The sender writes it down as soon as it listens. */
async function portOf({ port, stop }: ReceiverTask): Promise<number> {
  for (let waitedMs = 0; waitedMs < TIMEOUT_MS && !isStopped(stop); waitedMs += LOOK_MS) {
    if (Atomics.load(port, 0) !== 0) break;
    Atomics.wait(port, 0, 0, LOOK_MS);
  }
  const found = Atomics.load(port, 0);
  if (found === 0) throw new Error(`no sender listened within ${TIMEOUT_MS} ms`);
  return found;
}

/**
 * Node hands libuv the buffer that `onread.buffer` returns, also of shared memory: the receive itself stores into it, nothing copies. It asks for
 * the next buffer as soon as one was received into, long before the next transfer: that buffer is the prelude's.
 */
class Connection {
  readonly #socket: net.Socket;
  readonly #prelude = new Uint8Array(PRELUDE_BYTES);
  #pages: Page[] = [];
  /** Of the page that is received into now: bytes that it has; -1 before the prelude. */
  #have = -1;
  #page = 0;
  #onLanded: (page: Page) => void = () => {};
  #resolve: () => void = () => {};
  #reject: (error: Error) => void = () => {};

  private constructor(port: number, onConnected: () => void, onError: (error: Error) => void) {
    this.#reject = onError;
    this.#socket = net.connect({
      port,
      host: HOST,
      noDelay: true,
      onread: { buffer: () => this.#next(), callback: (bytes) => this.#received(bytes) },
    });
    this.#socket.setTimeout(TIMEOUT_MS);
    this.#socket.once('connect', onConnected);
    this.#socket.on('error', (error) => this.#reject(error));
    this.#socket.on('close', () => this.#reject(new Error('the sender has closed the connection')));
  }

  static async open(port: number): Promise<Connection> {
    let connection: Connection | undefined;
    await new Promise<void>((resolve, reject) => {
      connection = new Connection(port, resolve, reject);
    });
    return connection!;
  }

  /** Has the sender fill this pinner's part of each page; `onLanded` hears of each page that is filled. Rejects if nothing comes in time. */
  receive(transfer: number, pages: Page[], onLanded: (page: Page) => void): Promise<void> {
    this.#pages = pages;
    this.#onLanded = onLanded;
    return new Promise<void>((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`transfer ${transfer} did not come within ${TIMEOUT_MS} ms`)),
        TIMEOUT_MS,
      );
      this.#resolve = () => {
        clearTimeout(late);
        resolve();
      };
      this.#reject = (error) => {
        clearTimeout(late);
        reject(error);
      };
      const request = Buffer.alloc(REQUEST_BYTES);
      request.writeUInt32LE(transfer);
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#reject = () => {};
    this.#socket.destroy();
  }

  /** Where the next bytes belong. */
  #next(): Uint8Array {
    if (this.#have < 0) return this.#prelude;
    const start = READ_PART.offset + this.#have;
    return this.#pages[this.#page].bytes.subarray(start, READ_PART.offset + READ_PART.bytes);
  }

  #received(bytes: number): boolean {
    if (this.#have < 0) {
      this.#have = 0;
      this.#page = 0;
      return true;
    }
    this.#have += bytes;
    if (this.#have < READ_PART.bytes) return true;
    const landed = this.#pages[this.#page++];
    const isLast = this.#page === this.#pages.length;
    this.#have = isLast ? -1 : 0;
    this.#onLanded(landed);
    if (isLast) this.#resolve();
    return true;
  }
}

/** Listens on loopback and sends what is asked for, until the receiver closes the connection. */
export function sender(task: SenderTask): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const server = net.createServer({ noDelay: true });
    const end = (error?: Error): void => {
      clearInterval(looks);
      server.close();
      if (error === undefined) resolve();
      else reject(error);
    };
    // A receiver that was stopped before it connected never comes.
    const looks = setInterval(() => isStopped(task.stop) && server.close(() => end()), LOOK_MS);
    server.once('error', end);
    server.once('connection', (socket) => {
      const bytes = Buffer.alloc(PRELUDE_BYTES + task.pages * READ_PART.bytes);
      let asked = Buffer.alloc(0);
      socket.on('data', (data) => {
        asked = Buffer.concat([asked, data]);
        for (; asked.length >= REQUEST_BYTES; asked = asked.subarray(REQUEST_BYTES))
          socket.write(bytes.fill(asked.readUInt32LE() % TRANSFER_VALUES));
      });
      socket.once('error', end);
      socket.once('close', () => end());
    });
    server.listen({ port: 0, host: HOST }, () => {
      const { port } = server.address() as net.AddressInfo;
      Atomics.store(task.port, 0, port);
      Atomics.notify(task.port, 0);
    });
  });
}
