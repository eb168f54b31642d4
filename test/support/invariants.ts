// What holds of the control words when nothing moves (design, section 9), told by a recount of all of them.
import type { FileId, FrameId, Kernel, OwnerId } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import type { CacheCounts } from '../../src/stats.ts';

const { WRITEBACK, UPDATING, ORPHAN, HOLD } = L;
const { ROW_CLAIM, ROW_ROUND, ROW_FLUSH, ROW_CUT, ROW_CUT_TAIL, ROW_OPENING, ROW_RECOVERER } = L;
const { ROW_PENDING, ROW_PENDING_FILES } = L;
const { FILE_FLUSH_LOCK, FILE_ROUND_LEADER, FILE_CUT_LOCK } = L;
const { FILE_FAIL_SEQ, FILE_CLEAR_SEQ, FILE_SIZE_SEQ, FILE_CUT_SEQ } = L;

interface Frame {
  readonly id: FrameId;
  readonly state: number;
  readonly file: FileId;
  readonly index: number;
}

const readPins = (state: number) => state >>> 20;
const writePins = (state: number) => (state & L.WRITE_MASK) >>> 10;

function framesOf(kernel: Kernel): Frame[] {
  return Array.from({ length: kernel.load(L.HEADER_FRAMES) }, (_, n) => {
    const id = n as FrameId;
    const state = kernel.frameWord(id, L.FRAME_STATE);
    return {
      id,
      state,
      file: kernel.frameWord(id, L.FRAME_FILE) as FileId,
      index: kernel.frameWord(id, L.FRAME_INDEX) >>> 0,
    };
  });
}

function isUnstable(kernel: Kernel, { id, file }: Frame): boolean {
  const cover = kernel.frameWord(id, L.FRAME_COVER);
  return file >= 0 && cover !== 0 && ((kernel.fileWord(file, L.FILE_FLUSHED) - cover) | 0) < 0;
}

/** Frames that hold before-images for updates, by who keeps them: claimed, without identity, until their thread leaves. */
function undoFrames(kernel: Kernel): Map<number, number> {
  const kept = new Map<number, number>();
  for (const owner of kernel.owners()) {
    for (let level = 0; level < L.UPDATES; level++) {
      const frame = kernel.rowWord(owner, L.UPDATE_UNDO + level * L.UPDATE_BYTES) - 1;
      if (frame >= 0) kept.set(frame, owner);
    }
  }
  return kept;
}

/** I1, I2: each page in one frame, that frame in the table once and found; frames without a page know none. */
function* table(kernel: Kernel, frames: Frame[]): Generator<string> {
  const pages = new Map<string, FrameId>();
  const undo = undoFrames(kernel);
  for (const { id, state, file, index } of frames) {
    if (undo.has(id)) {
      if ((state & ~(L.WAITERS | L.VALID)) !== L.CLAIMED || file >= 0)
        yield `undo frame ${id}: state ${state}, file ${file}`;
      continue;
    }
    if (state & L.CLAIMED) yield `frame ${id} is claimed`;
    if ((state & L.VALID) === 0) {
      if (state !== 0) yield `frame ${id} holds no page, its state is ${state}`;
      if (file >= 0) yield `frame ${id} holds no page and has file ${file}`;
      continue;
    }
    if (file < 0) yield `frame ${id} is valid and has no file`;
    else if (kernel.fileWord(file, L.FILE_REFS) < 0) yield `frame ${id} is of file ${file}, which is closed`;
    const page = `${file}:${index}`;
    if (pages.has(page)) yield `page ${page} is in frames ${pages.get(page)} and ${id} (I1)`;
    pages.set(page, id);
    const found = kernel.control.lookup(file, index | 0);
    if (found !== id) yield `page ${page} is in frame ${id}, lookup says ${found}`;
  }
  const listed = new Map<number, number>();
  const mask = 2 ** kernel.load(L.HEADER_FRAME_BITS) - 1;
  for (let bucket = 0; bucket <= kernel.load(L.HEADER_BUCKET_MASK); bucket++) {
    const at = kernel.load(L.HEADER_AT_BUCKETS) - L.BUCKET_BIAS + bucket * L.BUCKET_BYTES;
    if (kernel.load(at + L.BUCKET_SEQ) & 1) yield `bucket ${bucket} is being changed`;
    const list = (frame: number) => listed.set(frame, (listed.get(frame) ?? 0) + 1);
    for (let entry = 0; entry < L.ENTRIES; entry++) {
      const held = kernel.load(at + L.BUCKET_ENTRIES + entry * 4) & mask;
      if (held !== 0) list(held - 1);
    }
    let link = kernel.load(at + L.BUCKET_OVERFLOW);
    for (let n = 0; link !== 0 && n <= frames.length; n++) {
      list(link - 1);
      link = kernel.frameWord((link - 1) as FrameId, L.FRAME_LINK);
    }
    if (link !== 0) yield `the chain of bucket ${bucket} has no end`;
  }
  for (const { id, state } of frames) {
    const times = listed.get(id) ?? 0;
    if (times !== (state & L.VALID && !undo.has(id) ? 1 : 0))
      yield `frame ${id} (state ${state}) is in the table ${times} times`;
  }
}

/** I6: pins in the rows are pins in the state words. */
function* pins(kernel: Kernel, frames: Frame[]): Generator<string> {
  const read = new Map<number, number>();
  const write = new Map<number, number>();
  for (const owner of kernel.owners()) {
    for (const { frame, mode } of kernel.pinsOf(owner)) {
      const counts = mode === 'read' ? read : write;
      counts.set(frame, (counts.get(frame) ?? 0) + 1);
    }
  }
  for (const { id, state } of frames) {
    const inRows = [read.get(id) ?? 0, write.get(id) ?? 0];
    const inState = [readPins(state), writePins(state)];
    if (`${inRows}` !== `${inState}`)
      yield `frame ${id}: pins ${inState} in its state, ${inRows} in the rows (I6)`;
    if (state & L.WAITERS && (state & L.CLAIMED) === 0 && inState[1] === 0)
      yield `frame ${id} has sleepers and nothing to wait for (I8)`;
  }
}

/** Bytes of a page that count: the last 8 are a checksum's, if the file has them. */
function payloadOf(kernel: Kernel, file: FileId, pageSize: number): number {
  return pageSize - (kernel.fileWord(file, L.FILE_FLAGS) & L.FLAG_CHECKSUM ? 8 : 0);
}

/** The bits that scans go by. */
function* dirtySets(kernel: Kernel, frames: Frame[], pageSize: number): Generator<string> {
  const found = new Map<FileId, Set<number>>();
  for (let n = 0; n < kernel.load(L.HEADER_FILES); n++) {
    const file = n as FileId;
    if (kernel.fileWord(file, L.FILE_REFS) < 0) continue;
    const set = new Set<number>();
    const { control } = kernel;
    for (
      let group = control.nextDirtyGroup(file, 0);
      group >= 0;
      group = control.nextDirtyGroup(file, group + 1)
    ) {
      for (let bits = control.dirtyFrames(file, group); bits !== 0; bits &= bits - 1) {
        set.add(group * 32 + 31 - Math.clz32(bits & -bits));
      }
    }
    found.set(file, set);
  }
  const bit = (region: number, id: number) =>
    (kernel.load(kernel.load(region) + (id >>> 5) * 4) >>> (id & 31)) & 1;
  for (const frame of frames) {
    const { id, state, file, index } = frame;
    if (state & L.DIRTY && bit(L.HEADER_AT_DIRTY, id) === 0) yield `frame ${id} is dirty without its bit`;
    if (state & L.DIRTY && !found.get(file)?.has(id))
      yield `no scan finds dirty page ${index} of file ${file} (I4)`;
    // It could never be written: writebacks write nothing past the end.
    if (state & L.DIRTY && index * payloadOf(kernel, file, pageSize) >= kernel.size(file))
      yield `dirty page ${index} of file ${file} is past its end`;
    if (state & L.VALID && isUnstable(kernel, frame) && bit(L.HEADER_AT_UNSTABLE, id) === 0) {
      yield `frame ${id} is unstable without its bit (I7)`;
    }
  }
}

/** I10: the gauges are a recount. */
function* gauges(kernel: Kernel, frames: Frame[], stats: CacheCounts): Generator<string> {
  const undo = undoFrames(kernel);
  const count = (of: (frame: Frame) => boolean) =>
    frames.filter((frame) => !undo.has(frame.id) && of(frame)).length;
  const sum = (of: (state: number) => number) => frames.reduce((total, { state }) => total + of(state), 0);
  const recount: Partial<CacheCounts> = {
    resident: count(({ state }) => (state & L.VALID) !== 0),
    dirty: count(({ state }) => (state & L.DIRTY) !== 0),
    pinnedDirty: count(({ state }) => (state & L.DIRTY) !== 0 && writePins(state) > 0),
    writeback: count(({ state }) => (state & L.WRITEBACK) !== 0),
    unstable: count((frame) => isUnstable(kernel, frame)),
    readPins: sum(readPins),
    writePins: sum(writePins),
  };
  for (const [name, value] of Object.entries(recount)) {
    const told = stats[name as keyof CacheCounts];
    if (told !== value) yield `stats().${name} is ${told}, a recount says ${value} (I10)`;
  }
}

/** I3, I11, I13: nobody holds what only work under way holds. */
function* leftovers(kernel: Kernel, frames: Frame[]): Generator<string> {
  for (const { id, state } of frames) {
    for (const [name, bit] of Object.entries({ WRITEBACK, UPDATING, ORPHAN, HOLD })) {
      if (state & bit) yield `frame ${id} is in ${name}`;
    }
    if (kernel.frameWord(id, L.FRAME_USEQ) & 1) yield `frame ${id}: its bytes are half changed (I9)`;
  }
  for (let row = 0; row < kernel.load(L.HEADER_ROWS); row++) {
    // What the last owner of a free row had asked for is forgotten when it gets its next.
    const status = kernel.status(row);
    const free = status === L.ROW_FREE;
    if (!free && status !== L.ROW_LIVE) yield `row ${row} has status ${status} (I11)`;
    const held = { ROW_CLAIM, ROW_ROUND, ROW_FLUSH, ROW_CUT, ROW_CUT_TAIL, ROW_OPENING, ROW_RECOVERER };
    const asked = free ? {} : { ROW_PENDING, ROW_PENDING_FILES };
    for (const [name, field] of Object.entries({ ...held, ...asked })) {
      const value = kernel.rowWord(row, field);
      if (value !== 0) yield `row ${row}: ${name} is ${value}`;
    }
    if (free) yield* leftInFreeRow(kernel, row as OwnerId);
    for (let level = 0; level < L.UPDATES; level++) {
      const stage = kernel.rowWord(row, L.UPDATE_STAGE + level * L.UPDATE_BYTES);
      if (stage !== 0) yield `row ${row}: update ${level} is at stage ${stage}`;
    }
    for (let slot = 0; slot < L.WRITEBACKS; slot++) {
      const value = kernel.rowWord(row, L.ROW_WRITEBACKS + slot * 4);
      if (value !== 0) yield `row ${row}: writeback slot ${slot} holds ${value}`;
    }
    for (let slot = 0; slot < L.REQUESTS && !free; slot++) {
      const state = kernel.rowWord(row, L.REQUEST_STATE + slot * L.REQUEST_BYTES);
      if (state !== L.REQUEST_FREE) yield `row ${row}: request ${slot} is in state ${state}`;
    }
  }
  for (let n = 0; n < kernel.load(L.HEADER_FILES); n++) {
    const file = n as FileId;
    for (const [name, field] of Object.entries({ FILE_FLUSH_LOCK, FILE_ROUND_LEADER, FILE_CUT_LOCK })) {
      const value = kernel.fileWord(file, field);
      if (value !== 0) yield `file ${file}: ${name} is ${value}`;
    }
    for (const [name, field] of Object.entries({
      FILE_FAIL_SEQ,
      FILE_CLEAR_SEQ,
      FILE_SIZE_SEQ,
      FILE_CUT_SEQ,
    })) {
      if (kernel.fileWord(file, field) & 1) yield `file ${file}: ${name} is odd`;
    }
    const resident = frames.filter((frame) => frame.file === file).length;
    const told = kernel.fileWord(file, L.FILE_RESIDENT);
    if (told !== resident) yield `file ${file}: FILE_RESIDENT is ${told}, a recount says ${resident}`;
    const refs = kernel.fileWord(file, L.FILE_REFS);
    const referring = [...kernel.owners()].filter((owner) =>
      [...kernel.filesOf(owner)].includes(file),
    ).length;
    if (refs >= 0 && refs !== referring)
      yield `file ${file}: ${refs} references, ${referring} threads have one`;
    const rounds = (kernel.fileWord(file, L.FILE_ROUND_OPEN) - kernel.fileWord(file, L.FILE_ROUND_DONE)) | 0;
    if (rounds !== 1) yield `file ${file}: ${rounds - 1} rounds are under way`;
  }
  for (let area = 0; area < L.MAX_STAGING; area++) {
    const owner = kernel.load(L.HEADER_STAGING + area * 4);
    if (owner !== 0) yield `staging area ${area} belongs to owner ${owner - 1}`;
  }
  for (let area = 0; area < L.PATH_AREAS; area++) {
    const owner = kernel.load(L.HEADER_PATHS + area * 4);
    if (owner !== 0) yield `path area ${area} belongs to owner ${owner - 1}`;
  }
  const orphans = kernel.load(L.HEADER_ORPHANS);
  if (orphans !== 0) yield `${orphans} orphans are counted`;
}

/** A free row has no pins, no undo frames, no references to files, and names no thread. */
function* leftInFreeRow(kernel: Kernel, row: OwnerId): Generator<string> {
  for (const { frame, mode } of kernel.pinsOf(row)) yield `free row ${row}: a ${mode} pin on frame ${frame}`;
  for (const file of kernel.filesOf(row)) yield `free row ${row}: a reference to file ${file}`;
  if (kernel.rowWord(row, L.ROW_TID) !== 0 || kernel.rowWord(row, L.ROW_THREAD) !== -1)
    yield `free row ${row} names thread ${kernel.rowWord(row, L.ROW_THREAD)}`;
  for (let level = 0; level < L.UPDATES; level++) {
    const undo = kernel.rowWord(row, L.UPDATE_UNDO + level * L.UPDATE_BYTES);
    if (undo !== 0) yield `free row ${row}: undo frame ${undo - 1}`;
  }
}

/** I11: no thread but this one and the service threads is attached, and those that were have left nothing behind. */
function* leftBehind(kernel: Kernel, opened: ReadonlySet<number>): Generator<string> {
  for (let row = 0; row < kernel.load(L.HEADER_ROWS); row++) {
    const status = kernel.status(row);
    const user = kernel.rowWord(row, L.ROW_KIND) === L.KIND_USER;
    if (status !== L.ROW_FREE && user && row !== kernel.owner)
      yield `row ${row} of thread ${kernel.rowWord(row, L.ROW_THREAD)} is not free: status ${status}`;
    const pins = [...kernel.pinsOf(row as typeof kernel.owner)];
    if (pins.length > 0) yield `row ${row} (status ${status}) has ${pins.length} pins`;
    if (status !== L.ROW_FREE) continue;
    for (let level = 0; level < L.UPDATES; level++) {
      const undo = kernel.rowWord(row, L.UPDATE_UNDO + level * L.UPDATE_BYTES);
      if (undo !== 0) yield `row ${row} is free and has undo frame ${undo - 1}`;
    }
  }
  for (let file = 0; file < kernel.load(L.HEADER_FILES); file++) {
    const refs = kernel.fileWord(file as FileId, L.FILE_REFS);
    if (opened.has(file) ? refs !== 1 : refs > 0)
      yield `file ${file} has ${refs} references, this thread has ${opened.has(file) ? 'one' : 'none'}`;
  }
}

/** Everything that does not hold now. Nothing may move. `opened`: this is the only user's thread, and has these files open. */
export function violations(
  kernel: Kernel,
  pageSize: number,
  stats: CacheCounts,
  opened?: ReadonlySet<number>,
): string[] {
  const frames = framesOf(kernel);
  return [
    ...table(kernel, frames),
    ...pins(kernel, frames),
    ...dirtySets(kernel, frames, pageSize),
    ...gauges(kernel, frames, stats),
    ...leftovers(kernel, frames),
    ...(opened ? leftBehind(kernel, opened) : []),
  ];
}
