// A write that was to extend the file and came to nothing leaves no page past the end: found there, it would be taken for
// the file's, and what is stored into it would never reach the file.
import { expect, test } from 'vitest';
import { startWithFile } from './support/cache.ts';

const PAGE = 4096;

test('a write that is nested too deep to be done brings no page in', async () => {
  const { file, cache } = await startWithFile(5);
  const store = (bytes: Uint8Array) => bytes.fill(9);
  const nest = (depth: number): unknown =>
    file.updateSync(depth, () => (depth < 3 ? nest(depth + 1) : file.writeSync(new Uint8Array(8), 5 * PAGE)));
  expect(() => nest(0)).toThrow(expect.objectContaining({ code: 'ERR_PINFOLD_CALLBACK' }));
  const past = expect.objectContaining({ code: 'ERR_PINFOLD_RANGE' });
  expect(() => file.updateSync(5, store)).toThrow(past);
  expect(() => file.pinSync(5, 'write')).toThrow(past);
  expect(file.tryPin.bind(file, 5)).toThrow(past);
  expect(cache.stats()).toMatchObject({ dirty: 0, resident: 4 });
});

test('a write whose source shrinks while it is written takes its page along', async () => {
  const { file } = await startWithFile(5);
  // ES2024's resizable buffers, which the types of ES2023 do not know.
  const buffer = Reflect.construct(ArrayBuffer, [2 * PAGE, { maxByteLength: 2 * PAGE }]);
  const shrinking = new Uint8Array(buffer as ArrayBuffer);
  const written = file.write(shrinking, 5 * PAGE);
  (buffer as unknown as { resize(bytes: number): void }).resize(PAGE);
  await expect(written).rejects.toMatchObject({ code: 'ERR_PINFOLD_ARGUMENT' });
  expect(() => file.updateSync(6, (bytes) => bytes.fill(1))).toThrow(
    expect.objectContaining({ code: 'ERR_PINFOLD_RANGE' }),
  );
});

test.each([null, 5, 'all', true])('a range that is %s is refused by name', async (range) => {
  const { file } = await startWithFile(1);
  const refused = expect.objectContaining({ code: 'ERR_PINFOLD_OPTION' });
  expect(() => file.updateSync(0, () => 0, undefined, range as never)).toThrow(refused);
  await expect(file.update(0, () => 0, undefined, range as never)).rejects.toEqual(refused);
});
