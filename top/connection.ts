// Snapshots of a cache in another process, by the socket that it serves.
import net from 'node:net';
import type { Snapshot } from 'pinfold/top';

/** The format that this program reads. */
const VERSION = 1;
/** How long a program has for an answer, in ms: its event loop may be busy. */
const ANSWER_MS = 5000;

/** What ended the connection, for people. */
export class TopError extends Error {}

export class Connection {
  readonly #socket: net.Socket;
  readonly #path: string;
  #text = '';
  #waiting: { resolve: (snapshot: Snapshot) => void; reject: (error: Error) => void } | undefined;
  #ended: Error | undefined;

  private constructor(socket: net.Socket, path: string) {
    this.#socket = socket;
    this.#path = path;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#read(text));
    socket.on('error', (error) => this.#end(error.message));
    socket.on('close', () => this.#end('the program has ended, or has stopped serving'));
  }

  /** @throws TopError if nobody serves there */
  static async to(path: string): Promise<Connection> {
    const socket = net.connect(path);
    return await new Promise((resolve, reject) => {
      socket.once('connect', () => resolve(new Connection(socket, path)));
      socket.once('error', (error) =>
        reject(new TopError(`no cache is served at '${path}': ${error.message}`)),
      );
    });
  }

  /** @throws TopError if none comes */
  async snapshot(): Promise<Snapshot> {
    if (this.#ended !== undefined) throw this.#ended;
    const timer = setTimeout(() => this.#end(`no answer within ${ANSWER_MS} ms`), ANSWER_MS);
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting = { resolve, reject };
        this.#socket.write('\n');
      });
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(text: string): void {
    this.#text += text;
    const end = this.#text.indexOf('\n');
    if (end < 0) return;
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    let answer: Snapshot | { error: string; version: number };
    try {
      answer = JSON.parse(line);
    } catch {
      this.#end('what it sends is no snapshot');
      return;
    }
    if (answer.version !== VERSION) this.#end(`it speaks version ${answer.version}, this program ${VERSION}`);
    else if ('error' in answer) this.#end(answer.error);
    else {
      this.#waiting?.resolve(answer);
      this.#waiting = undefined;
    }
  }

  #end(why: string): void {
    this.#ended ??= new TopError(`${this.#path}: ${why}`);
    this.#waiting?.reject(this.#ended);
    this.#waiting = undefined;
    this.#socket.destroy();
  }
}
