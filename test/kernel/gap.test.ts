// A write behind the end of a file leaves a gap, which is zeros. Whether there is one is looked at before the write's page is
// taken, and again under it: a truncate may have come between, and a device have stored behind the new end.
import { expect, test } from 'vitest';
import { Attachment } from '../../src/attachment.ts';
import { CachedFile } from '../../src/file.ts';
import { recover } from '../../src/protocol/recovery.ts';
import { builtKernel } from './compile.ts';
import { Disk } from './disk.ts';
import { attachMortal, Life } from './mortal.ts';
import { withPoints } from './points.ts';
import { Memory } from './pool.ts';

const module = new WebAssembly.Module(withPoints(builtKernel('control.debug')) as BufferSource);
const PAGE = 4096;
const END = PAGE + 8;

test('a truncate and a device come between the look for a gap and the update: it is zeros all the same', () => {
  const memory = new Memory({ memory: 256 * 1024 }, { module });
  const disk = new Disk(PAGE);
  disk.write(new Uint8Array(2 * PAGE).fill(1), 0);
  const id = memory.file(2 * PAGE);
  const engine = { Attachment, CachedFile, recover };
  const attach = (called: (name: string) => void) =>
    attachMortal(engine, memory.handle, disk, new Life(), 'user', called).open(id);
  const other = attach(() => {});
  let armed = false;
  const file = attach((name) => {
    if (!armed || name !== 'fileSize') return;
    armed = false; // it has seen that the file ends with a page: no gap
    other.truncateSync(END);
    const page = other.pinSync(1, 'write');
    page.bytes.fill(0x55, 100, 200);
    page.unpin();
  });
  for (const index of [0, 1]) file.prefetchSync(index, 1);
  armed = true;
  file.writeSync(new Uint8Array([9]), 2 * PAGE + 4);
  expect(armed).toBe(false);
  const bytes = new Uint8Array(PAGE);
  file.readSync(bytes, PAGE);
  expect([...bytes.subarray(0, 8)]).toEqual(new Array(8).fill(1));
  expect(bytes.subarray(8)).toEqual(new Uint8Array(PAGE - 8));
  expect(file.size).toBe(2 * PAGE + 5);
});
