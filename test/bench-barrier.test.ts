import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { createBarrier, meet } from '../bench/barrier.ts';
import { createStopWord, nowNs, raiseStop } from '../bench/clock.ts';

test('who comes alone begins at once', () => {
  const beforeNs = nowNs();
  const startNs = meet(createBarrier(1), createStopWord())!;
  expect(startNs).toBeGreaterThan(beforeNs);
});

test('nobody begins before the last one is ready, and all at the same time', async () => {
  const barrier = createBarrier(2);
  // As `meet` counts one who is ready, late.
  const worker = new Worker(
    `const { words, startNs } = require('node:worker_threads').workerData;
     setTimeout(() => {
       if (Atomics.add(words, 0, 1) !== 1) throw new Error('the other one was not waiting');
       startNs[0] = 42;
       Atomics.store(words, 1, 1);
       Atomics.notify(words, 1);
     }, 100);`,
    { eval: true, workerData: barrier },
  );
  const ended = new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject));
  expect(meet(barrier, createStopWord())).toBe(42);
  expect(await ended).toBe(0);
});

test('a run that was stopped lets everybody go', () => {
  const stop = createStopWord();
  raiseStop(stop);
  expect(meet(createBarrier(2), stop)).toBeUndefined();
});
