// A page past the file's end is in the cache while a write that extends the file is under way. Found by the explorer: whoever
// pinned or updated it meanwhile stored into no file at all, if that write came to nothing.
import { beforeEach, expect, test } from 'vitest';
import { Attachment } from '../../src/attachment.ts';
import { CachedFile } from '../../src/file.ts';
import type { FileId } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import { acquire } from '../../src/protocol/fill.ts';
import { recover } from '../../src/protocol/recovery.ts';
import { builtKernel } from './compile.ts';
import { Disk } from './disk.ts';
import { attachMortal, Life, type Mortal } from './mortal.ts';
import { withPoints } from './points.ts';
import { install, Memory, type Thread } from './pool.ts';

const module = new WebAssembly.Module(withPoints(builtKernel('control.debug')) as BufferSource);
const PAGE = 4096;
const PAST = 2;

let other: Thread;
let me: Mortal;
let id: FileId;
let file: CachedFile;

beforeEach(() => {
  const memory = new Memory({ memory: 256 * 1024 }, { module });
  const disk = new Disk(PAGE);
  disk.write(new Uint8Array(PAST * PAGE).fill(1), 0);
  id = memory.file(PAST * PAGE);
  other = memory.thread();
  const engine = { Attachment, CachedFile, recover };
  me = attachMortal(engine, memory.handle, disk, new Life(), 'user', () => {});
  file = me.open(id);
  install(other, id, PAST); // as a write that extends the file does
});

const stateOf = () => me.attachment.kernel.frameWord(me.control.lookup(id, PAST), L.FRAME_STATE);

test('it is not write-pinned, nor made dirty', () => {
  const range = expect.objectContaining({ code: 'ERR_PINFOLD_RANGE' });
  expect(() => file.pinSync(PAST, 'write')).toThrow(range);
  expect(() => file.tryPin(PAST, 'write')).toThrow(range);
  expect(() => me.run(acquire(me.attachment, id, PAST, 'write'))).toThrow(range);
  expect(stateOf() & (L.DIRTY | L.WRITE_MASK)).toBe(0);
});

test('it is not updated', () => {
  file.updateSync(0, () => {}); // from here on updates begin by the short way
  expect(() => file.updateSync(PAST, (bytes) => bytes.fill(9))).toThrow(
    expect.objectContaining({ code: 'ERR_PINFOLD_RANGE' }),
  );
  expect(stateOf() & (L.DIRTY | L.UPDATING)).toBe(0);
});

test('once the file reaches it, it can be both', () => {
  file.truncateSync((PAST + 1) * PAGE);
  file.updateSync(PAST, (bytes) => bytes.fill(9));
  const page = file.pinSync(PAST, 'write');
  expect(page.bytes[0]).toBe(9);
  page.unpin();
});
