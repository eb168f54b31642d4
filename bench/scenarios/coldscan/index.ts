// A cold file from one end to the other: the cache, with readahead, beside a plain loop over the same file; and what such scans
// leave of the pages that another thread uses.
import fs from 'node:fs';
import path from 'node:path';
import { uncertaintyOf, verdictOf } from '../../arms';
import { isStopped, NS_PER_MS, nowNs } from '../../clock';
import type { Crew } from '../../crew';
import { SCAN_ARMS, SCAN_PAGE, type ScanArm, type ScanResult, wordOf } from '../../roles/coldscan/task';
import { type Run, together, withCache, withCrew } from '../../run';
import { median, spreadOf } from '../../statistics';
import { type ColdScanResult, HOT_SCANS, type HotRow, type HotScan, type ScanRow } from './shape';

const MIB = 1 << 20;
const MEMORY = 64 * MIB;
/** MiB of the file: quickly, usually, fully; the last if there is time enough for passes over it, ms. */
const FILE_MIB = { quick: 64, usual: 256, full: 1024 };
const FULL_FROM_MS = 60_000;
const BAR = 0.9;
const BARRED: readonly ScanArm[] = ['readSync 256 KiB', 'readSync 4 KiB'];
const HOT_SHARE = 1 / 4;
const HOT_PER_SECOND = 100_000;
const HOT_WARM_MS = 700;
const ROUNDS_MIN = 3;
const GRACE_MS = 60_000;

export async function coldScan(run: Run, durationMs: number): Promise<void> {
  const { quick, usual, full } = FILE_MIB;
  const { streamBytes } = run.options;
  const isFull = streamBytes > 128 * MIB && durationMs >= FULL_FROM_MS;
  const fileBytes = (streamBytes < 128 * MIB ? quick : isFull ? full : usual) * MIB;
  const result: ColdScanResult = { fileBytes, memoryBytes: MEMORY, arms: [], hot: [] };
  run.report.coldScan = result;
  run.progress.begin('coldscan · the file');
  const file = layOut(run, 'coldscan.bin', fileBytes);
  await withCrew(2, async (crew) => {
    await scans(run, crew, file, result, durationMs * 0.75);
    for (const scan of HOT_SCANS) {
      if (isStopped(run.stop)) return;
      run.progress.begin(`coldscan · hot set, scan: ${scan}`);
      result.hot.push(await hotSet(run, crew, file, fileBytes, scan, (durationMs * 0.25) / HOT_SCANS.length));
    }
  });
}

/** Pages that were not what they should have been; and a check that could not have told anything. */
export function coldScanFailures(result: ColdScanResult | null, interrupted: boolean): string[] {
  if (result === null) return [];
  const failures: string[] = [];
  for (const { arm, wrong, pages, warmBytes, leftBytes, readahead } of result.arms) {
    if (wrong > 0) failures.push(`coldscan, ${arm}: ${wrong} of ${pages} pages were not what was written`);
    if (warmBytes !== null && warmBytes > 0.05 * result.fileBytes)
      failures.push(
        `coldscan, ${arm}: ${warmBytes} bytes of the file were in the system's cache: it was not cold`,
      );
    if (arm.endsWith('direct') && leftBytes !== null && leftBytes > 0.05 * result.fileBytes)
      failures.push(`coldscan, ${arm}: ${leftBytes} bytes of the file came into the system's cache`);
    if (arm.endsWith('random') && readahead > 0)
      failures.push(`coldscan, ${arm}: the control without readahead had ${readahead} pages read ahead`);
  }
  const missing = SCAN_ARMS.filter(
    (arm) => !arm.endsWith('direct') && !result.arms.some((row) => row.arm === arm),
  );
  if (!interrupted && missing.length > 0) failures.push(`coldscan: arms are missing: ${missing.join('; ')}`);
  return failures;
}

async function scans(
  run: Run,
  crew: Crew,
  file: string,
  result: ColdScanResult,
  durationMs: number,
): Promise<void> {
  const passes = new Map<ScanArm, ScanResult[]>(SCAN_ARMS.map((arm) => [arm, []]));
  await withCache({ memory: MEMORY, flushers: 1 }, async ({ handle }) => {
    const pass = (arm: ScanArm) =>
      crew.play(
        'coldScanner',
        {
          handle: arm.startsWith('plain') ? null : handle,
          path: file,
          bytes: result.fileBytes,
          arm,
          stop: run.stop,
        },
        GRACE_MS,
      );
    run.progress.begin('coldscan · a first pass of each arm');
    for (const arm of SCAN_ARMS) await pass(arm); // compiles, and touches every frame
    const endNs = nowNs() + durationMs * NS_PER_MS;
    for (let round = 0; round < ROUNDS_MIN || nowNs() < endNs; round++) {
      run.progress.begin(`coldscan · round ${round + 1}`);
      // The other way round each time: no arm always comes after the same.
      for (const arm of round % 2 === 0 ? SCAN_ARMS : [...SCAN_ARMS].reverse()) {
        if (isStopped(run.stop)) return;
        const passed = await pass(arm);
        if (!isStopped(run.stop)) passes.get(arm)!.push(passed);
      }
    }
  });
  const plain = passes.get('plain')!;
  const again = passes.get('plain again')!;
  const rounds = Math.min(...[...passes.values()].map(({ length }) => length));
  if (rounds === 0) return;
  // Either plain pass of a round is beside the arm: their mean is what it is compared with.
  const beside = (n: number) => (plain[n]!.elapsedMs + again[n]!.elapsedMs) / 2;
  const control = spreadOf(
    again.slice(0, rounds).map(({ elapsedMs }, n) => plain[n]!.elapsedMs / elapsedMs),
  ).median;
  for (const [arm, of] of passes) {
    if (of.every(({ pages }) => pages === 0)) continue; // a file system that refuses direct I/O
    const speeds = of
      .slice(0, rounds)
      .map(({ elapsedMs }, n) => (arm.startsWith('plain') ? plain[n]!.elapsedMs : beside(n)) / elapsedMs);
    result.arms.push(rowOf(arm, of, spreadOf(speeds), control, result.fileBytes));
  }
}

function rowOf(
  arm: ScanArm,
  passes: ScanResult[],
  { median: ratio, q1, q3 }: { median: number; q1: number; q3: number },
  control: number,
  fileBytes: number,
): ScanRow {
  const sum = (figure: 'pages' | 'wrong' | 'readahead' | 'misses') =>
    passes.reduce((total, each) => total + each[figure], 0);
  const most = (of: 'warmBytes' | 'leftBytes') => {
    const found = passes.map((each) => each[of]);
    return found.includes(null) ? null : Math.max(...(found as number[]));
  };
  const bar = BARRED.includes(arm) ? BAR : null;
  const uncertainty = uncertaintyOf({ median: ratio, q1, q3, count: passes.length });
  return {
    arm,
    passes: passes.length,
    mibPerSecond: fileBytes / MIB / (median(passes.map(({ elapsedMs }) => elapsedMs)) / 1e3),
    ratio,
    q1,
    q3,
    warmBytes: most('warmBytes'),
    leftBytes: most('leftBytes'),
    pages: sum('pages'),
    wrong: sum('wrong'),
    readahead: Math.round(sum('readahead') / passes.length),
    misses: Math.round(sum('misses') / passes.length),
    bar,
    verdict: bar === null ? 'none' : verdictOf({ value: ratio, uncertainty, control }, bar, 'at least'),
  };
}

/** A hot set is warmed up and used on, while another thread scans the file again and again, or does not. */
async function hotSet(
  run: Run,
  crew: Crew,
  file: string,
  bytes: number,
  scan: HotScan,
  durationMs: number,
): Promise<HotRow> {
  return await withCache({ memory: MEMORY, flushers: 1 }, async (cache) => {
    const { handle } = cache;
    const { frames } = cache.stats();
    const hotPages = Math.floor(frames * HOT_SHARE);
    const hotFile = layOut(run, 'coldscan-hot.bin', hotPages * SCAN_PAGE);
    const phase = new Int32Array(new SharedArrayBuffer(4));
    const set = (value: number) => {
      Atomics.store(phase, 0, value);
      Atomics.notify(phase, 0);
    };
    let scansDone = 0;
    const scanning = async () => {
      await new Promise((resolve) => setTimeout(resolve, HOT_WARM_MS));
      set(1);
      const endNs = nowNs() + durationMs * NS_PER_MS;
      const arm = scan === 'normal' ? 'readSync 256 KiB' : (`readSync 256 KiB, ${scan}` as ScanArm);
      while (!isStopped(run.stop) && (scansDone === 0 || nowNs() < endNs)) {
        if (scan === 'none') await new Promise((resolve) => setTimeout(resolve, Math.min(100, durationMs)));
        else await crew.play('coldScanner', { handle, path: file, bytes, arm, stop: run.stop }, GRACE_MS);
        scansDone++;
      }
      set(2);
    };
    const task = { handle, path: hotFile, pages: hotPages, stop: run.stop, phase, perSecond: HOT_PER_SECOND };
    const [{ touches, misses }] = await together(run, [
      crew.play('coldHot', task, GRACE_MS + durationMs),
      scanning(),
    ]);
    return { scan, hotPages, frames, scans: scan === 'none' ? 0 : scansDone, touches, misses };
  });
}

/** A file whose every word tells its page and its place. */
function layOut(run: Run, name: string, bytes: number): string {
  const file = path.join(run.files.directory, name);
  if (fs.existsSync(file)) return file;
  const fd = fs.openSync(file, 'w');
  const chunk = new Int32Array(MIB / 4);
  try {
    for (let at = 0; at < bytes; at += MIB) {
      for (let word = 0; word < chunk.length; word++) {
        const place = at / 4 + word;
        chunk[word] = wordOf(Math.floor(place / (SCAN_PAGE / 4)), place % (SCAN_PAGE / 4));
      }
      fs.writeSync(fd, chunk, 0, Math.min(MIB, bytes - at), at);
    }
    fs.fdatasyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  return file;
}
