// Samples of the storm (`npm run storm` is the whole of it), and what it finds when something is broken on purpose.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const STORM = fileURLToPath(new URL('./dist/main.js', import.meta.url));
/** A storm that neither ends nor finds out that it hangs, ms. */
const LIMIT_MS = 90_000;

async function storm(...options: string[]): Promise<{ status: number | null; output: string }> {
  const child = spawn(process.execPath, [STORM, ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  return await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, output }));
  });
}

describe('threads that do everything at once on shared files', { timeout: LIMIT_MS + 10_000 }, () => {
  test('end by themselves, in all ways that there are', async () => {
    const { status, output } = await storm('--kills', '0', '--seconds', '4');
    expect(status, output).toBe(0);
    expect(output).toContain('nothing was lost, left behind or half done');
  });

  test('have 20 times more data than memory: pages come and go all the time', async () => {
    const { status, output } = await storm('--pressure', '--seconds', '5');
    expect(status, output).toBe(0);
    expect(output).toContain('nothing was lost, left behind or half done');
    const [, times, turns] = /(\S+) times more data than memory; the pool was filled anew (\S+) times/.exec(
      output,
    )!;
    expect(Number(times)).toBeGreaterThan(20);
    expect(Number(turns)).toBeGreaterThan(20);
  });

  test.each(['keep', 'redirty'])('are terminated at whatever they are at (%s)', async (pinnedDirty) => {
    const { status, output } = await storm('--kills', '70', '--pinned', pinnedDirty);
    expect(status, output).toBe(0);
    expect(output).toContain('nothing was lost, left behind or half done');
    expect(Number(/(\d+) of 70 terminations/.exec(output)?.[1])).toBeGreaterThanOrEqual(70);
  });

  test('are terminated over a store that fails now and then', async () => {
    const { status, output } = await storm('--kills', '50', '--faults');
    expect(status, output).toBe(0);
  });
});

describe('the storm finds', { timeout: LIMIT_MS + 10_000 }, () => {
  test('half an update, also where pages come and go all the time', async () => {
    const { status, output } = await storm(
      '--pressure',
      '--seconds',
      '20',
      '--plant',
      'half',
      '--stall',
      '2500',
    );
    expect(status, output).toBe(1);
    expect(output).toMatch(/VIOLATION .*half an update/);
  });

  // What hangs is told as soon as it does; what is left behind, once nothing moves any more.
  test.each([
    ['half', '20', 'half an update'],
    ['stale', '20', 'was committed'],
    ['fsync', '20', 'was committed before the fsync'],
    ['hang', '20', 'it hangs'],
    ['handle', '1', 'left behind'],
    ['descriptor', '1', 'descriptors that it did not have: \\d'],
  ])('what was broken on purpose: %s', async (plant, seconds, finding) => {
    const options = [
      '--kills',
      '0',
      '--seconds',
      seconds,
      '--stall',
      '2500',
      '--workers',
      '3',
      '--spawned',
      '0',
    ];
    const { status, output } = await storm('--plant', plant, ...options);
    expect(status, output).toBe(1);
    expect(output).toMatch(new RegExp(`VIOLATION .*${finding}`));
  });
});
