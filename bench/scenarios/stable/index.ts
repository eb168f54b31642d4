// Stable pages: devices store into pages while fsync writes them with a checksum. Written from a copy (`bounce`), what is in the file is
// what its checksum says; written from where they are (`direct`, a control), it is not.
import path from 'node:path';
import type { PageCache } from 'pinfold';
import { uncertaintyOf, verdictOf } from '../../arms';
import { isStopped, NS_PER_MS, NS_PER_US, nowNs } from '../../clock';
import type { Crew } from '../../crew';
import {
  CHECKSUM_PAGES,
  type ChecksumVariant,
  type StableCallerResult,
  type StablePinnerResult,
  TRAILER_BYTES,
} from '../../roles/stable/task';
import { type CacheOptions, type Run, together, withCache, withCrew } from '../../run';
import { median, spreadOf } from '../../statistics';
import type { ChecksumRow, StableArm, StableCell, StableResult } from './shape';

const ARMS: StableArm[] = ['bounce', 'direct'];
/** Few, so that the storing thread comes to each of them again while it is written. */
const PAGES = 8;
const SIZES = [
  { pageSize: 4 << 10, pages: PAGES },
  { pageSize: 64 << 10, pages: PAGES },
];
/** GB/s, by the design. */
const CHECKSUM_BAR = 3;
/**
 * An absolute speed moves with the processor's clock, by a quarter between two runs an hour apart: what is nearer to its bar than this share says
 * nothing, and identical arms in one run can't see it.
 */
const CLOCK_SHARE = 0.3;
const CHECKSUM_SHARE = 0.15;
const CHECKSUM_MAX_MS = 3_000;
/** Each arm runs so often, in turns, if there is time. */
const RUNS_MAX = 4;
const RUN_WORTH_MS = 1_000;
const RUN_LEAST_MS = 200;
const RUN_OVERHEAD_MS = 300;
/** How often more, and how long, a cell is run until it shows what it is there for: on a busy machine it may take a while. */
const TRIES = 8;
const TRY_MS = 500;
const LEAD_MS = 100;
const GRACE_MS = 20_000;

/** The flusher writes pages back too, as they are dropped. */
const CACHE: CacheOptions = { memory: 8 << 20, flushers: 1, writebackIntervalMs: 20, dirtyExpireMs: 50 };

export async function stable(run: Run, durationMs: number): Promise<void> {
  const result: StableResult = { cells: [], checksum: [] };
  run.report.stable = result;
  await withCrew(3, async (crew) => {
    const checksumMs = Math.min(CHECKSUM_MAX_MS, durationMs * CHECKSUM_SHARE);
    run.progress.begin('stable · speed of the checksum');
    const checksum = await checksumRows(run, crew, checksumMs);
    // A row that a signal cut short is no figure.
    if (isStopped(run.stop)) return;
    result.checksum.push(...checksum);
    const armMs = (durationMs - checksumMs) / (SIZES.length * ARMS.length);
    const runs = Math.max(1, Math.min(RUNS_MAX, Math.floor(armMs / (RUN_WORTH_MS + RUN_OVERHEAD_MS))));
    const runMs = Math.max(RUN_LEAST_MS, armMs / runs - RUN_OVERHEAD_MS);
    for (const size of SIZES) {
      const cells = ARMS.map((arm) => cellOfNone(arm, size));
      for (let n = 0; n < runs + TRIES; n++) {
        for (const cell of n % 2 === 0 ? cells : [...cells].reverse()) {
          if (isStopped(run.stop)) return;
          if (n >= runs && unseen(cell) === undefined) continue;
          run.progress.begin(`stable · ${cell.arm} · pages of ${cell.pageSize >>> 10} KiB`);
          await measure(run, crew, cell, n < runs ? runMs : Math.max(runMs, TRY_MS));
        }
      }
      result.cells.push(...cells);
    }
  });
}

/** Pages that came out of the cell's arm bad, and a check that could not have seen any. */
export function stableFailures(result: StableResult | null, interrupted: boolean): string[] {
  if (result === null) return [];
  const failures: string[] = [];
  for (const { arm, pageSize, truth } of result.cells) {
    if (arm === 'bounce' && truth.failed > 0)
      failures.push(
        `${truth.failed} of ${truth.checked} pages of ${pageSize} bytes were not what their checksum says`,
      );
  }
  if (interrupted) return failures;
  for (const arm of ARMS) {
    // One size will do: on a single core a small page is rarely met in the middle of its write.
    const missed = result.cells.filter((cell) => cell.arm === arm).map(unseen);
    if (missed.every((each) => each !== undefined))
      failures.push(`the check of stable pages is broken: ${missed[0] ?? `${arm} did not run`}`);
  }
  return failures;
}

/** What the cell was to show and did not. */
function unseen({ arm, truth }: StableCell): string | undefined {
  if (arm === 'bounce' && truth.mixed === 0) return 'no page was seen to be stored into as it was copied';
  if (arm === 'direct' && truth.failed === 0) return 'pages written without a copy were all good';
  return undefined;
}

async function measure(run: Run, crew: Crew, cell: StableCell, runMs: number): Promise<void> {
  const { arm, pageSize, pages } = cell;
  // Of its own: a file that `direct` has written need not open again.
  const dataPath = path.join(run.files.directory, `stable-${arm}-${pageSize}.bin`);
  await withCache({ ...CACHE, pageSize }, async (cache) => {
    await layOut(cache, dataPath, pages, pageSize);
    const task = {
      handle: cache.handle,
      stop: run.stop,
      dataPath,
      sourcePath: run.files.paths.source,
      arm,
      pageSize,
      pages,
      startNs: nowNs() + LEAD_MS * NS_PER_MS,
      durationMs: runMs,
    };
    const deadlineMs = LEAD_MS + runMs + GRACE_MS;
    const [called, stored, read] = await together<
      [StableCallerResult, StablePinnerResult, StablePinnerResult]
    >(run, [
      crew.play('stableCaller', task, deadlineMs),
      crew.play('stableStorer', task, deadlineMs),
      crew.play('stableDevice', task, deadlineMs),
    ]);
    add(cell, runMs, called, stored, read);
  });
}

async function layOut(cache: PageCache, dataPath: string, pages: number, pageSize: number): Promise<void> {
  const file = await cache.open(dataPath, { create: true, checksum: 'crc32c' });
  await file.write(new Uint8Array(pages * (pageSize - TRAILER_BYTES)).fill(1), 0);
  await file.fsync();
  await file.close();
}

function cellOfNone(arm: StableArm, { pageSize, pages }: { pageSize: number; pages: number }): StableCell {
  return {
    arm,
    pageSize,
    pages,
    seconds: 0,
    fsyncs: 0,
    fsyncsPerSecond: 0,
    fsyncUs: 0,
    written: 0,
    bounced: 0,
    writtenMiBPerSecond: 0,
    truth: { checked: 0, failed: 0, mixed: 0, passing: 0 },
    pins: 0,
    storedBytes: 0,
    readBytes: 0,
  };
}

/** Adds a run to the cell's figures; those that are means are of all runs so far, weighted. */
function add(
  cell: StableCell,
  runMs: number,
  called: StableCallerResult,
  stored: StablePinnerResult,
  read: StablePinnerResult,
): void {
  const syncSeconds = (cell.fsyncUs * cell.fsyncs * NS_PER_US + called.syncNs) / 1e9;
  cell.seconds += runMs / 1e3;
  cell.fsyncs += called.fsyncs;
  cell.fsyncsPerSecond = cell.fsyncs / cell.seconds;
  cell.fsyncUs = cell.fsyncs === 0 ? 0 : (syncSeconds * 1e6) / cell.fsyncs;
  cell.written += called.written;
  cell.bounced += called.bounced;
  cell.writtenMiBPerSecond = syncSeconds === 0 ? 0 : (cell.written * cell.pageSize) / 2 ** 20 / syncSeconds;
  for (const figure of ['checked', 'failed', 'mixed', 'passing'] as const)
    cell.truth[figure] += called[figure];
  cell.pins += stored.pins + read.pins;
  cell.storedBytes += stored.bytes;
  cell.readBytes += read.bytes;
}

async function checksumRows(run: Run, crew: Crew, durationMs: number): Promise<ChecksumRow[]> {
  const rounds = await withCache(CACHE, ({ handle }) => {
    const task = { handle, stop: run.stop, dataPath: run.files.paths.data, durationMs };
    return crew.play('checksumSpeed', task, durationMs + GRACE_MS);
  });
  return CHECKSUM_PAGES.map((pageSize) => {
    const nsOf = (variant: string) => rounds[`${variant} ${pageSize}` as ChecksumVariant] ?? [];
    const crc = nsOf('crc32c');
    const again = nsOf('crc32c again');
    const copy = nsOf('memory.copy');
    const { median: ratio, q1, q3 } = spreadOf(crc.map((ns, n) => ns / (copy[n] ?? Number.NaN)));
    const speed = spreadOf(crc.map((ns) => pageSize / ns));
    const control = median(again.map((ns, n) => ns / (crc[n] ?? Number.NaN)));
    return {
      pageSize,
      crcGBPerSecond: speed.median,
      copyGBPerSecond: pageSize / median(copy),
      ratio,
      q1,
      q3,
      control,
      bar: CHECKSUM_BAR,
      verdict: verdictOf(
        {
          value: speed.median,
          uncertainty: Math.max(uncertaintyOf(speed), CLOCK_SHARE * speed.median),
          control,
        },
        CHECKSUM_BAR,
        'at least',
      ),
    };
  });
}
