// The hierarchical dirty sets, against a model, over so many frames that every level has several words.
import { describe, expect, test } from 'vitest';
import type { FileId, FrameId } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import { dirty, flushNow, install, Memory, scan, type Thread, writeBackFrame } from './pool.ts';

let seed = 7;
const random = (n: number) => {
  seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
  return (seed >>> 8) % n;
};

function setUp(frames: number, files: number) {
  const memory = new Memory({ memory: (frames + 600) * 4096, maxFiles: 8 }, { withPages: false });
  expect(memory.geometry.frames).toBeGreaterThanOrEqual(frames);
  const thread = memory.thread();
  const ids = Array.from({ length: files }, () => memory.file(2 ** 44));
  return { memory, thread, ids };
}

const sorted = (frames: Iterable<number>) => [...frames].sort((a, b) => a - b);

function levelsOf({ kernel }: Thread, file: FileId) {
  const words = (region: number, perFile: number) => {
    const count = kernel.load(perFile);
    const at = kernel.load(region) + file * count * 4;
    return Array.from({ length: count }, (_, n) => kernel.load(at + n * 4));
  };
  return {
    groups: words(L.HEADER_AT_GROUPS, L.HEADER_FILE_WORDS),
    summary: words(L.HEADER_AT_SUMMARY, L.HEADER_FILE_SUMMARY_WORDS),
  };
}

describe('70,000 frames', () => {
  test("dirtying and cleaning at random: every scan finds the file's dirty frames and no others", () => {
    const { memory, thread, ids } = setUp(70_000, 3);
    expect(memory.words[L.HEADER_FILE_WORDS >> 2]).toBeGreaterThan(64);
    expect(memory.words[L.HEADER_FILE_SUMMARY_WORDS >> 2]).toBeGreaterThan(2);
    // Frames of the three files mixed, in every group.
    const fileOf: number[] = [];
    const indexOf: number[] = [];
    for (let n = 0; n < memory.geometry.frames; n++) {
      const file = n % 7 === 0 ? 1 : n % 11 === 0 ? 2 : 0;
      const frame = install(thread, ids[file]!, n);
      fileOf[frame] = file;
      indexOf[frame] = n;
    }
    const model = [new Set<number>(), new Set<number>(), new Set<number>()];
    const edges = [0, 31, 32, 1023, 1024, 32_767, 32_768, 65_535, 65_536, memory.geometry.frames - 1];
    for (let round = 0; round < 30; round++) {
      for (let n = 0; n < 40; n++) {
        const frame = n < edges.length ? edges[n]! : random(memory.geometry.frames);
        const file = fileOf[frame]!;
        if (random(2)) {
          dirty(thread, ids[file]!, indexOf[frame]!);
          model[file]!.add(frame);
        } else if (model[file]!.has(frame)) {
          expect(writeBackFrame(thread, ids[file]!, frame as FrameId)).toBe(0);
          model[file]!.delete(frame);
        }
      }
      for (const file of [0, 1, 2]) expect(sorted(scan(thread, ids[file]!))).toEqual(sorted(model[file]!));
    }
    for (const file of [0, 1, 2]) {
      for (const frame of model[file]!) writeBackFrame(thread, ids[file]!, frame as FrameId);
      expect(scan(thread, ids[file]!)).toEqual([]);
      // A scan that finds nothing leaves nothing to look at: the next costs one look a level-2 word.
      const { groups, summary } = levelsOf(thread, ids[file]!);
      expect(groups.filter((word) => word !== 0)).toEqual([]);
      expect(summary.filter((word) => word !== 0)).toEqual([]);
      expect(thread.control.nextDirtyGroup(ids[file]!, 0)).toBe(-1);
    }
  });

  test('the next group is found from anywhere, over empty words of both levels', () => {
    const { memory, thread, ids } = setUp(70_000, 1);
    const [file] = ids as [FileId];
    const { frames } = memory.geometry;
    const indexOf: number[] = [];
    for (let n = 0; n < frames; n++) indexOf[install(thread, file, n)] = n;
    const groups = [0, 1, 31, 32, 1023, 1024, 1055, 1056, 2047, 2048, Math.floor((frames - 1) / 32)];
    for (const group of groups) {
      dirty(thread, file, indexOf[group * 32]!);
      for (const from of [0, group - 1, group].filter((g) => g >= 0)) {
        expect(thread.control.nextDirtyGroup(file, from)).toBe(group);
      }
      expect(thread.control.nextDirtyGroup(file, group + 1)).toBe(-1);
      writeBackFrame(thread, file, (group * 32) as FrameId);
      expect(thread.control.dirtyFrames(file, group)).toBe(0);
      expect(thread.control.nextDirtyGroup(file, 0)).toBe(-1);
    }
  });
});

describe('what shares a group', () => {
  test('a group is forgotten by one file and kept by the other', () => {
    const { thread, ids } = setUp(200, 2);
    const [one, two] = ids as [FileId, FileId];
    const [first, second] = [install(thread, one, 0), install(thread, two, 0)];
    expect(first >>> 5).toBe(second >>> 5);
    dirty(thread, one, 0);
    dirty(thread, two, 0);
    writeBackFrame(thread, one, first as FrameId);
    expect(scan(thread, one)).toEqual([]);
    expect(thread.control.nextDirtyGroup(one, 0)).toBe(-1);
    expect(scan(thread, two)).toEqual([second]);
    dirty(thread, one, 0);
    expect(scan(thread, one)).toEqual([first]);
  });

  test("a frame that gets another file's page takes no dirty page with it", () => {
    const { memory, thread, ids } = setUp(100, 2);
    const [one, two] = ids as [FileId, FileId];
    for (let n = 0; n < memory.geometry.frames; n++) install(thread, one, n);
    const frame = thread.control.lookup(one, 17);
    dirty(thread, one, 17);
    expect(thread.control.startWriteback(frame, two, 0, 0)).toBe(L.GONE); // asked for by the wrong file: given back
    expect(scan(thread, one)).toEqual([frame]);
    writeBackFrame(thread, one, frame);
    flushNow(thread, one);
    expect(thread.control.evict(frame)).toBe(1);
    memory.words[L.HEADER_SEEK >> 2] = frame;
    expect(install(thread, two, 99)).toBe(frame); // the only free one
    expect([scan(thread, one), scan(thread, two)]).toEqual([[], []]);
    dirty(thread, two, 99);
    expect([scan(thread, one), scan(thread, two)]).toEqual([[], [frame]]);
  });

  test('a stale bit of a frame that has just got its page does not hide the page from the next scan', () => {
    const { memory, thread, ids } = setUp(100, 1);
    const [file] = ids as [FileId];
    const frame = install(thread, file, 1);
    dirty(thread, file, 1);
    writeBackFrame(thread, file, frame as FrameId);
    // The bit of a dirtier that was slow: the page is clean by now.
    const word = (memory.words[L.HEADER_AT_DIRTY >> 2]! >> 2) + (frame >>> 5);
    Atomics.or(memory.words, word, 1 << (frame & 31));
    expect(scan(thread, file)).toEqual([frame]); // a candidate: startWriteback says that it is clean
    expect(writeBackFrame(thread, file, frame as FrameId)).toBe(L.CLEAN);
    dirty(thread, file, 1);
    expect(scan(thread, file)).toEqual([frame]);
    expect(writeBackFrame(thread, file, frame as FrameId)).toBe(0);
    expect(scan(thread, file)).toEqual([]);
  });
});
