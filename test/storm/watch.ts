// A thread that watches the others: whoever is at one call for too long hangs, and main may be the one who does. It also
// feeds the slow devices.
import fs from 'node:fs';
import { workerData } from 'node:worker_threads';
import type { PageCacheHandle } from 'pinfold';
import { Board, type BoardMemory, LANES, slotState } from './board.ts';
import { Control } from './control.ts';
import { type Devices, feedDevice } from './files.ts';

export interface WatchData {
  readonly handle: PageCacheHandle;
  readonly board: BoardMemory;
  readonly devices: Devices;
  readonly stallMs: number;
  /** Set by main at its end. */
  readonly done: Int32Array;
}

/** How long a slow device takes for a block, and how often one looks for who hangs. */
const FEED_MS = 3;
const LOOK_MS = 200;
/** How long main has to end the process, once it is known that something hangs. */
const GRACE_MS = 5000;

const { handle, board: memory, devices, stallMs, done } = workerData as WatchData;
const board = new Board(memory);

function stalled(): string | undefined {
  for (let slot = 0; slot < board.slots; slot++) {
    const state = board.state(slot);
    if (state === slotState.empty) continue;
    const who = `worker ${board.worker(slot)} in slot ${slot}`;
    if (state !== slotState.running && board.age(slot) > stallMs)
      return `${who} is in state ${state} for ${board.age(slot)} ms`;
    for (let lane = 0; lane < LANES; lane++) {
      const doing = board.doing(slot, lane);
      if (state === slotState.running && doing && doing.ms > stallMs)
        return `${who} is at '${doing.op}' for ${doing.ms} ms`;
    }
  }
  return undefined;
}

function dump(): string {
  const lines = [...new Control(handle).describe()];
  for (let slot = 0; slot < board.slots; slot++) {
    const lanes = Array.from({ length: LANES }, (_, lane) => board.doing(slot, lane));
    const what = lanes.map((doing) => (doing ? `${doing.op} (${doing.ms} ms)` : 'nothing')).join(', ');
    lines.push(
      `slot ${slot}: worker ${board.worker(slot)}, state ${board.state(slot)} for ${board.age(slot)} ms, at ${what}`,
    );
  }
  return lines.map((line) => `  ${line}\n`).join('');
}

let fed = 0;
function feed(): void {
  // Those who asked may have been terminated before they read: what is left over is the next one's, at once.
  if (fed === board.deviceAsked) return;
  if (feedDevice(devices, fed)) fed++;
}

let nextLook = 0;
while (Atomics.load(done, 0) === 0) {
  Atomics.wait(done, 0, 0, FEED_MS);
  feed();
  const now = performance.now();
  if (now < nextLook) continue;
  nextLook = now + LOOK_MS;
  const who = stalled();
  if (who === undefined) continue;
  fs.writeSync(2, `${who}: it hangs. Who holds what:\n${dump()}`);
  board.violation(`${who}: it hangs`);
  board.setHung();
  Atomics.wait(done, 0, 0, GRACE_MS);
  if (Atomics.load(done, 0) === 0) {
    fs.writeSync(2, 'storm: main hangs too, it is killed\n');
    process.kill(process.pid, 'SIGKILL');
  }
}
