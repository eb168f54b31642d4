// Mistakes planted in the kernel and in the protocols: the explorer has to find each, or it shows nothing.
import { readFileSync } from 'node:fs';
import { type Change, compileControl, QUICK } from '../../kernel/compile.ts';
import { load } from './host.ts';
import type { Job } from './job.ts';
import { run } from './search.ts';

interface Mistake {
  readonly what: string;
  /** In the kernel's sources (named as there), or in a file behind the root. */
  readonly kernel?: Change;
  readonly source?: Change;
  readonly job: Job;
}

const mistakes: readonly Mistake[] = [
  {
    what: 'a pin does not look whether the frame holds the page still',
    kernel: {
      file: 'pins.ts',
      from: 'if (isPage(at, file, index)) {\n      assert((atomic.load',
      to: 'if (true) {\n      assert((atomic.load',
    },
    job: { scenario: 'pin-reclaim', bounds: { preemptions: 2, deaths: 0 }, seconds: 30 },
  },
  {
    what: 'the last unpin wakes nobody',
    kernel: {
      file: 'pins.ts',
      from: '      if (s & L.WAITERS) wakeFrame(at);\n      if (s & L.ORPHAN)',
      to: '      if (s & L.ORPHAN)',
    },
    job: { scenario: 'block-last-unpin', bounds: { preemptions: 2, deaths: 0 }, seconds: 30 },
  },
  {
    what: 'a view is not closed by the useq',
    kernel: { file: 'pins.ts', from: '    (atomic.load<i32>(at, L.FRAME_USEQ) ^ viewUseq) |\n', to: '' },
    job: { scenario: 'update-view-copy', bounds: { preemptions: 2, deaths: 0 }, seconds: 30 },
  },
  {
    what: 'a round closes after its scan',
    source: {
      file: 'src/protocol/fsync.ts',
      from: "ticket = kernel.control.roundClose(file); // before the scan's first load\n    errno = yield* commit(pool, file, pinned, account);",
      to: 'errno = yield* commit(pool, file, pinned, account);\n    ticket = kernel.control.roundClose(file);',
    },
    job: { scenario: 'sync-sync', bounds: { preemptions: 2, deaths: 0 }, seconds: 60 },
  },
  {
    what: 'a copy does not lay the before-image over half an update',
    source: { file: 'src/protocol/copy.ts', from: 'if (useq & 1) {', to: 'if (useq & 0) {' },
    job: { scenario: 'update-view-copy', bounds: { preemptions: 2, deaths: 0 }, seconds: 30 },
  },
  {
    what: 'who recovers a thread does not lay back what it had half changed',
    source: {
      file: 'src/protocol/recovery.ts',
      from: 'bytes.copyRange(undo as typeof frame, frame, range >>> 16, (range & 0xffff) + 1);',
      to: 'void undo;',
    },
    job: {
      scenario: 'update-view-copy',
      actor: 'updater',
      bounds: { preemptions: 0, deaths: 1 },
      seconds: 30,
    },
  },
];

/** Plants each: whether it was found. */
export async function plantMistakes(
  root: string,
  log: (line: string) => void,
): Promise<{ what: string; caught: boolean }[]> {
  const found: { what: string; caught: boolean }[] = [];
  for (const { what, kernel, source, job } of mistakes) {
    const wasm = kernel ? { wasm: await compileControl([kernel], QUICK) } : {};
    const replaced = source ? { replaced: { [source.file]: { contents: changed(root, source) } } } : {};
    const { violation, count } = run(await load(root, { ...wasm, ...replaced }), job);
    if (violation) log(`mistake '${what}' is found after ${count.schedules} schedules: ${violation.what}`);
    found.push({ what, caught: violation !== undefined });
  }
  return found;
}

function changed(root: string, { file, from, to }: Change): string {
  const pieces = readFileSync(`${root}${file}`, 'utf8').split(from);
  if (pieces.length !== 2) throw new Error(`${file} has ${pieces.length - 1} times: ${from}`);
  return pieces.join(to);
}
