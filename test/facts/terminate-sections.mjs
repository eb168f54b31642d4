// terminate() never cuts a straight line of WebAssembly in two, and does so with loops and with JavaScript. V8 ends a
// thread at function entries and loop headers of WebAssembly code only. No standard says so; all of the control kernel's
// sections rest on it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import vm from 'node:vm';
import { fact } from './support/fact.mjs';
import { startThread, until } from './support/thread.mjs';

const sections = ['straight', 'conditional', 'notifying', 'afterCas'];
const KILLS = 45;
const TIMEOUTS = 250;
/** Threads at a time: more than there are processors, so that some are preempted when their end comes. */
const LANES = 4;
/** The controls: so many kills at a time, and so many times at the most, until one is seen to tear. */
const CONTROL_KILLS = 16;
const CONTROL_ROUNDS = 6;

const LINE = 64;
// The words of a line, as in sections/index.ts.
const [FIRST, PLAIN, MIDDLE, LAST, SECOND, WAKE] = [0, 1, 2, 3, 4, 5];

const module = new WebAssembly.Module(
  fs.readFileSync(new URL('../../build/facts/sections.wasm', import.meta.url)),
);
const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
const lineOf = (lane) => new Int32Array(memory.buffer, lane * LINE, LINE / 4);

/** Whether the last call on this line was cut in two. */
function isTorn(section, words) {
  const calls = words[FIRST];
  if (section === 'conditional' && words[SECOND] !== calls >>> 1) return true;
  return [PLAIN, MIDDLE, LAST].some((word) => words[word] !== calls);
}

function callWasm({ module, memory, section, at }) {
  const call = new WebAssembly.Instance(module, { env: { memory } }).exports[section];
  for (;;) call(at);
}

function callJavaScript({ memory, at }) {
  const words = new Int32Array(memory.buffer, at, 16);
  for (;;) {
    Atomics.add(words, 0, 1);
    words[1]++;
    Atomics.add(words, 2, 1);
    Atomics.add(words, 3, 1);
  }
}

function sleep({ words, word }) {
  for (;;) Atomics.wait(words, word, Atomics.load(words, word), 50);
}

/** Ends `kills` threads at some moment of their calls: how many were cut in two. */
async function terminate(section, body, kills) {
  let left = kills;
  let torn = 0;
  const lanes = Array.from({ length: LANES }, async (_, lane) => {
    const words = lineOf(lane);
    while (left-- > 0) {
      words.fill(0);
      const worker = startThread(body, { module, memory, section, at: lane * LINE });
      await until('the thread calls', () => Atomics.load(words, LAST) > 0);
      // Soon after its start V8 runs its baseline code, later its optimized code.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
      await worker.terminate();
      if (isTorn(section, words)) torn++;
    }
  });
  await Promise.all(lanes);
  return torn;
}

/** Ends calls of this thread, by timeouts of scripts: V8 is asked the same, and it costs no thread each. */
function timeOut(section, times) {
  const words = lineOf(0).fill(0);
  let torn = 0;
  globalThis.call = new WebAssembly.Instance(module, { env: { memory } }).exports[section];
  const script = new vm.Script('for (;;) call(0);');
  for (let n = 0; n < times; n++) {
    words.fill(0);
    assert.throws(() => script.runInThisContext({ timeout: 1 }), { code: 'ERR_SCRIPT_EXECUTION_TIMEOUT' });
    if (isTorn(section, words)) torn++;
  }
  return torn;
}

/** A control: repeats `round` until it has seen a torn call. */
async function seesTearing(round) {
  let torn = 0;
  let rounds = 0;
  while (torn === 0 && rounds < CONTROL_ROUNDS) {
    torn += await round();
    rounds++;
  }
  const figures = `${torn} torn of ${rounds * CONTROL_KILLS}`;
  assert(torn > 0, `${figures}: the experiment sees nothing, and says nothing about sections either`);
  return figures;
}

for (const section of sections) {
  await fact(`terminate() tears no straight line of wasm: ${section}`, async () => {
    const sleeper =
      section === 'notifying' ? startThread(sleep, { words: lineOf(0), word: WAKE }) : undefined;
    const torn = await terminate(section, callWasm, KILLS);
    await sleeper?.terminate();
    assert.equal(torn, 0, `${torn} torn of ${KILLS}: sections are no longer atomic`);
    return `0 torn of ${KILLS}`;
  });
}
await fact('neither does the timeout of a script', () => {
  const figures = sections.map((section) => {
    const torn = timeOut(section, TIMEOUTS);
    assert.equal(torn, 0, `${section}: ${torn} torn of ${TIMEOUTS}: sections are no longer atomic`);
    return torn;
  });
  return `${figures.join(' + ')} torn of ${sections.length * TIMEOUTS}`;
});
await fact('control: a loop is torn by terminate()', () =>
  seesTearing(() => terminate('looped', callWasm, CONTROL_KILLS)),
);
await fact('control: a loop is torn by the timeout of a script', () =>
  seesTearing(() => timeOut('looped', CONTROL_KILLS)),
);
await fact('control: JavaScript is torn by terminate()', () =>
  seesTearing(() => terminate('JavaScript', callJavaScript, CONTROL_KILLS)),
);
