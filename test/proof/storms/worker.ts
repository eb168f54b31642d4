// A thread of a process that is to be killed: changes files and syncs them until it is.
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import type { CachedFile, Page } from 'pinfold';
import { attachHarness, fsyncSyncWith, fsyncWith } from '#harness';
import { Random } from '../../storm/random.ts';
import { fillRecord, inspectRecord } from '../../storm/record.ts';
import { Board } from './board.ts';
import {
  DEVICE_FROM,
  deviceWord,
  FILES,
  type FileSpec,
  isDevices,
  keyAt,
  nameOf,
  PAGE,
  PLACE,
  PLACES,
} from './files.ts';
import { send } from './messages.ts';
import { ROLES, type WorkerData } from './roles.ts';

const { handle, board: memory, role, directory, seed, direct, plant } = workerData as WorkerData;
const board = new Board(memory);
const number = ROLES.indexOf(role);
const random = new Random(seed + number * 7919 + 1);
const cache = attachHarness(handle);
const [hot, device, grown] = FILES as [FileSpec, FileSpec, FileSpec];
const handles = FILES.map((file) => cache.openSync(join(directory, nameOf(file)), { direct }));
const handleOf = (file: FileSpec) => handles[file.number] as CachedFile;
/** Nobody notifies it: for pauses of a thread without an event loop to go on. */
const nobody = new Int32Array(new SharedArrayBuffer(4));
const pause = (ms: number) => Atomics.wait(nobody, 0, 0, ms);

const options = plant === 'skip' ? ({ policy: 'skip' } as const) : ({ policy: 'bounce' } as const);

/** What an fsync called now must make stable is told once it has returned. */
function promised(file: FileSpec): () => void {
  const synced = { file: file.number, numbers: board.numbers(file), size: board.size, last: board.last };
  if (plant === 'early') send('synced', synced);
  return () => {
    if (plant !== 'early') send('synced', synced);
  };
}

function sync(file: FileSpec): void {
  const kept = promised(file);
  fsyncSyncWith(handleOf(file), options);
  kept();
}

// -- records -----------------------------------------------------------------------------------------------------------

interface Change {
  readonly file: FileSpec;
  readonly place: number;
  seq: number;
}

function change(bytes: Uint8Array, one: Change): void {
  const key = keyAt(one.file, one.place);
  const seen = inspectRecord(bytes, key);
  if (seen < board.at(one.file, one.place)) {
    send('wrong', { text: `an update of place ${one.place} of ${nameOf(one.file)} sees record ${seen}` });
  }
  one.seq = Math.max(seen + 1, board.next());
  fillRecord(bytes, key, number, one.seq);
}

function someRecord(): Change {
  const file = random.oneIn(3) ? device : hot;
  const page = random.below(file.pages);
  return { file, place: page * PLACES + random.below(file === device ? DEVICE_FROM : PLACES), seq: 0 };
}

const rangeOf = ({ place }: Change) => ({ offset: (place % PLACES) * PLACE, length: PLACE });
const pageOf = ({ place }: Change) => Math.floor(place / PLACES);

function updateInPlace(): void {
  const one = someRecord();
  handleOf(one.file).updateSync(pageOf(one), change, one, rangeOf(one));
  board.commit(one.file, one.place, one.seq);
}

async function updateLater(): Promise<void> {
  const one = someRecord();
  await handleOf(one.file).update(pageOf(one), change, one, rangeOf(one));
  board.commit(one.file, one.place, one.seq);
}

async function syncLater(file: FileSpec): Promise<void> {
  const kept = promised(file);
  await fsyncWith(handleOf(file), options);
  kept();
}

// -- the file that grows -----------------------------------------------------------------------------------------------

const growth = handleOf(grown);

function writeSome(): void {
  const first = random.below(Math.min(board.size / PLACE + 6, grown.pages * PLACES));
  const count = 1 + random.below(Math.min(9, grown.pages * PLACES - first));
  const bytes = new Uint8Array(count * PLACE);
  const written: number[] = [];
  for (let n = 0; n < count; n++) {
    const seq = board.next();
    fillRecord(bytes.subarray(n * PLACE, (n + 1) * PLACE), keyAt(grown, first + n), number, seq);
    written.push(seq);
  }
  const end = (first + count) * PLACE;
  if (end > board.size) send('resizing', { file: grown.number, size: end });
  growth.writeSync(bytes, first * PLACE);
  for (const [n, seq] of written.entries()) board.set(grown, first + n, seq);
  board.size = Math.max(board.size, end);
}

function resize(): void {
  const size = random.below(grown.pages * PLACES) * PLACE;
  send('resizing', { file: grown.number, size });
  growth.truncateSync(size);
  for (let place = size / PLACE; place < grown.pages * PLACES; place++) board.set(grown, place, 0);
  board.size = size;
}

// -- devices -----------------------------------------------------------------------------------------------------------

/** Stores the next number all over a page's device part, bit by bit, while others sync. */
function store(page: Page, seq: number): void {
  const { buffer, byteOffset } = page.bytes;
  const words = new Uint32Array(buffer, byteOffset + DEVICE_FROM * PLACE, (PAGE - DEVICE_FROM * PLACE) >> 2);
  const half = random.below(words.length);
  words.fill(deviceWord(page.index, seq), 0, half);
  if (random.oneIn(3)) pause(1);
  words.fill(deviceWord(page.index, seq), half);
}

function storeUnderPins(): void {
  const pages = new Set(Array.from({ length: 1 + random.below(4) }, () => random.below(device.pages)));
  const pins = [...pages].map((page) => handleOf(device).pinSync(page, 'write'));
  send('pinned', { size: board.pinned(pins.length) });
  const last = new Map<Page, number>();
  for (let times = 1 + random.below(3); times > 0; times--) {
    for (const pin of pins) {
      const seq = board.next();
      store(pin, seq);
      last.set(pin, seq);
    }
    pause(random.below(12));
  }
  for (const pin of pins) {
    pin.unpin({ dirty: plant !== 'clean' });
    for (let place = DEVICE_FROM; place < PLACES; place++) {
      if (!isDevices(device, place)) throw new Error('a place of the device is not the device’s');
      board.commit(device, pin.index * PLACES + place, last.get(pin)!);
    }
  }
  send('pinned', { size: board.pinned(-pins.length) });
}

// -- until it is killed ------------------------------------------------------------------------------------------------

/** One thing that the role does. */
async function act(): Promise<void> {
  if (role === 'owner') {
    const what = random.below(10);
    if (what < 5) writeSome();
    else if (what < 7) resize();
    else if (what < 9) sync(grown);
    else updateInPlace();
  } else if (role === 'device') {
    storeUnderPins();
    if (random.oneIn(2)) sync(device);
  } else if (role === 'updater') {
    if (random.below(8) < 6) updateInPlace();
    else sync(random.oneIn(2) ? device : hot);
  } else {
    if (random.below(8) < 6) await Promise.all([updateLater(), updateLater(), updateLater()]);
    else await Promise.all([syncLater(hot), syncLater(device), updateLater()]);
  }
}

try {
  await act();
  parentPort!.postMessage('working');
  for (;;) await act();
} catch (error) {
  send('wrong', { text: `${role}: ${(error as Error).stack}` });
}
