// What the kills of the proof's part 'storms' are worth: what the oracle tells apart, and that no process is left behind.
import { describe, expect, test } from 'vitest';
import { fillRecord } from '../../storm/record.ts';
import { Expected } from './expected.ts';
import { DEVICE_FROM, deviceWord, FILES, type FileSpec, keyAt, PAGE, PLACE, PLACES } from './files.ts';
import { Doomed, Lane, noKills } from './kills.ts';
import type { Message } from './messages.ts';

const [hot, device, grown] = FILES as [FileSpec, FileSpec, FileSpec];

const message = (part: Partial<Message>): Message => ({
  ...{ type: 'synced', file: 0, size: 0, last: 0, text: '', numbers: new Int32Array(0) },
  ...part,
});

function withRecord(file: FileSpec, place: number, number: number, size = file.pages * PAGE): Uint8Array {
  const bytes = new Uint8Array(size);
  fillRecord(bytes.subarray(place * PLACE, (place + 1) * PLACE), keyAt(file, place), 1, number);
  return bytes;
}

const numbersOf = (file: FileSpec, place: number, number: number) => {
  const numbers = new Int32Array(file.pages * PLACES);
  numbers[place] = number;
  return numbers;
};

describe('what a killed process leaves', () => {
  test('is right if each record is as new as an fsync has promised, and wrong if one is older', () => {
    const expected = new Expected(hot);
    expected.hear(message({ numbers: numbersOf(hot, 5, 70) }));
    expect([...expected.judge(withRecord(hot, 5, 71), 1)]).toEqual([]);
    expect([...expected.judge(withRecord(hot, 5, 70), 1)]).toEqual([
      expect.stringContaining('70, 71 had been'),
    ]);
    expect([...expected.judge(new Uint8Array(hot.pages * PAGE), 1)]).toHaveLength(1);
  });

  test('is wrong if a record is half there, or stands where another belongs', () => {
    const half = withRecord(hot, 5, 70);
    half.fill(0, 5 * PLACE + 512, 6 * PLACE);
    expect([...new Expected(hot).judge(half, 1)]).toEqual([expect.stringContaining('half of it')]);
    const moved = withRecord(hot, 5, 70);
    moved.copyWithin(6 * PLACE, 5 * PLACE, 6 * PLACE);
    expect([...new Expected(hot).judge(moved, 1)]).toEqual([expect.stringContaining('place 2: half of it')]);
  });

  test('may mix stores of a device, if none is older than what was promised', () => {
    const place = 3 * PLACES + DEVICE_FROM;
    const bytes = new Uint8Array(device.pages * PAGE);
    const words = new Uint32Array(bytes.buffer, place * PLACE, PLACE / 4);
    words.fill(deviceWord(3, 90)).fill(deviceWord(3, 88), 10);
    const promising = (number: number) => {
      const expected = new Expected(device);
      expected.hear(message({ file: 1, numbers: numbersOf(device, place, number) }));
      return [...expected.judge(bytes, 1)];
    };
    expect(promising(88)).toEqual([]);
    expect(promising(89)).toHaveLength(1);
    words[20] = deviceWord(4, 95);
    expect(promising(80)).toEqual([expect.stringContaining("another's")]);
  });

  test('has a size that was promised, or about to come; what was cut off does not come back', () => {
    const expected = () => {
      const one = new Expected(grown);
      one.hear(message({ file: 2, size: 4 * PLACE, last: 50, numbers: numbersOf(grown, 1, 50) }));
      return one;
    };
    expect([...expected().judge(withRecord(grown, 1, 50, 4 * PLACE), 1)]).toEqual([]);
    expect([...expected().judge(withRecord(grown, 1, 50, 3 * PLACE), 1)]).toHaveLength(1);
    expect([...expected().judge(withRecord(grown, 1, 50, 5 * PLACE), 1)]).toHaveLength(1);
    const cut = expected();
    cut.hear(message({ type: 'resizing', file: 2, size: PLACE }));
    expect([...cut.judge(new Uint8Array(PLACE), 1)]).toEqual([]);
    const back = expected();
    back.hear(message({ type: 'resizing', file: 2, size: PLACE }));
    back.hear(message({ file: 2, size: 2 * PLACE, last: 60, numbers: numbersOf(grown, 0, 0) }));
    expect([...back.judge(withRecord(grown, 1, 50, 2 * PLACE), 1)]).toHaveLength(1);
  });
});

test('a process is killed at work, and what it leaves is right', async () => {
  const counts = noKills();
  const lane = new Lane(7, counts);
  expect(await lane.kill()).toEqual([]);
  expect(counts.synced).toBeGreaterThan(0);
  lane.end();
});

test('a process ends by itself once its parent is gone', async () => {
  const lane = new Lane(1, noKills());
  const { directory } = lane;
  const doomed = new Doomed({ directory, generation: 0, seed: 1, pinnedDirty: 'keep', plant: undefined });
  const ended = new Promise((resolve) => doomed.child.once('exit', (status) => resolve(status)));
  await doomed.atWork();
  doomed.child.stdin!.destroy(); // as the system does it with the pipe of a parent that was killed
  expect(await ended).toBe(1);
  lane.end();
});
