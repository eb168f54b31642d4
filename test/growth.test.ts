// Caches, attachments, workers and files that come and go leave nothing behind: descriptors, OS threads, rows, listeners,
// memory. In a process of its own, which does nothing else.
import { expect, test, vi } from 'vitest';
import { testDirectory } from './support/directory.ts';
import { runProgram } from './support/program.ts';

/** What the programs count, and how they compare: before, and after the same again and again. */
const counting = `
  import fs from 'node:fs';
  import v8 from 'node:v8';
  import vm from 'node:vm';
  import { Worker } from 'node:worker_threads';
  const { PageCache } = pinfold;
  v8.setFlagsFromString('--expose-gc');
  const gc = vm.runInNewContext('gc');
  const warnings = [];
  process.on('warning', ({ name }) => warnings.push(name));
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  async function counts() {
    for (let n = 0; n < 3; n++) { gc(); await pause(30); }
    return {
      descriptors: fs.readdirSync('/proc/self/fd').length,
      threads: fs.readdirSync('/proc/self/task').length,
      worker: process.listenerCount('worker'),
      exit: process.listenerCount('exit'),
      heap: process.memoryUsage().heapUsed,
    };
  }
  async function compare(times, work) {
    for (let n = 0; n < 10; n++) await work(n);
    const before = await counts();
    for (let n = 0; n < times; n++) await work(n);
    const after = await counts();
    const growth = Object.fromEntries(Object.keys(before).map((name) => [name, after[name] - before[name]]));
    console.log(JSON.stringify({ ...growth, warnings }));
  }
  const path = argument + '/data';
  fs.writeFileSync(path, Buffer.alloc(40_960));
`;

vi.setConfig({ testTimeout: 70_000 });

async function growth(program: string) {
  const { status, stdout, stderr } = await runProgram(counting + program, testDirectory());
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const { heap, ...rest } = JSON.parse(stdout) as Record<string, number>;
  expect(heap).toBeLessThan(2_000_000);
  return rest;
}

const none = { descriptors: 0, threads: 0, worker: 0, exit: 0, warnings: [] };

test('caches that are created and closed', async () => {
  const found = await growth(`
    await compare(60, async (n) => {
      const cache = await PageCache.create({ memory: 262_144 });
      const file = await cache.open(path);
      file.writeSync(new Uint8Array(10).fill(n), 0);
      (await cache.open(argument + '/new' + n, { create: true })).closeSync(); // may be just being closed
      await cache.close();
      fs.rmSync(argument + '/new' + n);
    });
  `);
  expect(found).toEqual(none);
});

test('attachments of one thread, and of workers', async () => {
  const found = await growth(`
    const cache = await PageCache.create({ memory: 262_144, maxThreads: 4 });
    const file = await cache.open(path);
    const source = \`
      const { workerData } = require('node:worker_threads');
      import(workerData.index).then(({ PageCache }) => {
        for (let n = 0; n < 30; n++) {
          const cache = PageCache.attach(workerData.handle);
          cache.openSync(workerData.path).viewSync(n % 10, () => 0);
          if (n < 29) cache.detach();
        }
      });\`;
    const index = ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
    const workerData = { handle: cache.handle, path, index };
    await compare(1000, async (n) => {
      const attached = PageCache.attach(cache.handle);
      const file = attached.openSync(path);
      file.viewSync(n % 10, () => 0);
      attached.detach();
      if (n % 50 !== 0) return;
      const worker = new Worker(source, { eval: true, execArgv: [], workerData });
      await new Promise((resolve) => worker.once('exit', resolve));
    });
    while (cache.stats().owners !== 3) await pause(5);
    file.closeSync();
    await cache.close();
  `);
  expect(found).toEqual(none);
});

test('files that are opened and closed, more of them than there may be at a time', async () => {
  const found = await growth(`
    const cache = await PageCache.create({ memory: 262_144, maxFiles: 16 });
    const names = Array.from({ length: 100 }, (_, n) => argument + '/file' + n);
    for (const name of names) fs.writeFileSync(name, Buffer.alloc(100, 1));
    await compare(2000, async (n) => {
      const name = names[n % names.length];
      const file = n % 2 === 0 ? cache.openSync(name) : await cache.open(name);
      if (n % 3 === 0) file.viewSync(0, () => 0);
      await file.close();
      // What is cached keeps its file open: at most so many are.
      if (n >= 9 && n < 20) for (let k = 20; k < 60; k++) { const f = cache.openSync(names[k]); f.viewSync(0, () => 0); f.closeSync(); }
    });
    await cache.close();
  `);
  expect(found).toEqual({ ...none, descriptors: expect.toSatisfy((grown: number) => Math.abs(grown) <= 32) });
});

test('the file worker keeps nothing of the files that it has closed', async () => {
  const { status, stdout, stderr } = await runProgram(
    `
      import fs from 'node:fs';
      const cache = await pinfold.PageCache.create({ memory: 262_144, maxFiles: 16 });
      const names = Array.from({ length: 100 }, (_, n) => argument + '/file' + n);
      for (const name of names) fs.writeFileSync(name, '');
      const open = (times) => {
        for (let n = 0; n < times; n++) cache.openSync(names[n % names.length]).closeSync();
        return process.memoryUsage().rss;
      };
      const before = open(5000);
      console.log(open(25_000) - before);
      await cache.close();
    `,
    testDirectory(),
  );
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(Number(stdout)).toBeLessThan(60_000_000); // 4 KiB for each of them would be 100 million
});
