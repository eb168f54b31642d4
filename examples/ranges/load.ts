// Requests come when they come, whether earlier ones have been answered or not (an open loop), and each answer is compared with what
// it has to be.
import http from 'node:http';
import { pathOfTile, ROWS, rowAt, tileBytes, tileOfRank, tilesUpTo } from './archive.ts';

export interface Load {
  readonly ports: readonly number[];
  /** Requests a second, over all threads. */
  readonly rate: number;
  readonly seconds: number;
  readonly zoom: number;
}

export interface Answers {
  /** From the moment that a request was due to its whole answer, ms. */
  readonly latencies: number[];
  readonly wrong: string[];
}

/** One request in so many is for rows. */
const ROWS_IN = 20;
const ROWS_AT_ONCE = 10;
/** The n-th most popular tile is asked for in proportion to n to the power of this. */
const POPULARITY = -0.9;

interface Request {
  readonly path: string;
  readonly expected: () => Buffer;
}

/** Draws requests: tiles by popularity, rows anywhere. */
function requests(zoom: number): () => Request {
  const tiles = tilesUpTo(zoom);
  const sums: number[] = [];
  for (let n = 1, sum = 0; n <= tiles; n++) {
    sum += n ** POPULARITY;
    sums.push(sum);
  }
  return () => {
    if (Math.random() * ROWS_IN < 1) {
      const row = Math.floor(Math.random() * (ROWS - ROWS_AT_ONCE));
      const expected = () =>
        Buffer.from(JSON.stringify(Array.from({ length: ROWS_AT_ONCE }, (_, n) => rowAt(row + n))));
      return { path: `/rows/${row}`, expected };
    }
    const at = Math.random() * sums[tiles - 1];
    let [low, high] = [0, tiles - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle] < at) low = middle + 1;
      else high = middle;
    }
    const id = tileOfRank(low, tiles);
    return { path: pathOfTile(id), expected: () => tileBytes(id) };
  };
}

export async function load({ ports, rate, seconds, zoom }: Load): Promise<Answers> {
  const agent = new http.Agent({ keepAlive: true });
  const answers: Answers = { latencies: [], wrong: [] };
  const draw = requests(zoom);
  const started = performance.now();
  const pending: Promise<void>[] = [];
  for (let due = started; ; ) {
    due += (-Math.log(1 - Math.random()) * 1000) / rate;
    if (due > started + 1000 * seconds) break;
    const wait = due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const port = ports[pending.length % ports.length];
    pending.push(ask(agent, port, draw(), due, answers));
  }
  await Promise.all(pending);
  agent.destroy();
  return answers;
}

async function ask(
  agent: http.Agent,
  port: number,
  request: Request,
  due: number,
  answers: Answers,
): Promise<void> {
  const { path, expected } = request;
  const body = await get(agent, port, path);
  answers.latencies.push(performance.now() - due);
  if (!body.equals(expected())) answers.wrong.push(`${path}: ${body.subarray(0, 100)}`);
}

const LIMIT_MS = 10_000;

function get(agent: http.Agent, port: number, path: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const request = http.get({ agent, host: '127.0.0.1', port, path, timeout: LIMIT_MS }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.once('end', () => resolve(Buffer.concat(parts)));
      response.once('error', reject);
    });
    request.once('timeout', () => request.destroy(new Error(`no answer within ${LIMIT_MS} ms`)));
    request.once('error', reject);
  });
}
