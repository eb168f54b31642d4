// The two tables of the fsync scenario: how long, and how honest.
import { BAR_P50, BAR_P99 } from '../scenarios/fsync-cell';
import type { BenchReport, Calibration, FsyncCell, RatioFigures } from '../schema';
import { type Block, bad, type Cell, doubtful, good, heading, reading, table } from './blocks';
import { controlCell } from './control';
import { count, ms, rate, ratio } from './format';

/** In a few sentences, for those who read no table. */
export function fsyncFindings({ fsync }: BenchReport): string[] {
  const cells = [...fsync].sort((a, b) => a.holdMs - b.holdMs);
  return cells.length === 0 ? [] : [latencyFindings(cells).join(' '), truthFindings(cells).join(' ')];
}

export function fsyncTables({ fsync, calibration }: BenchReport): Block[] {
  if (fsync.length === 0 || calibration === null) return [];
  const cells = [...fsync].sort((a, b) => a.holdMs - b.holdMs);
  return [
    heading('fsync under pins'),
    reading(...introduction(cells, calibration)),
    latencyTable(cells),
    reading(...latencyReading(cells)),
    workTable(cells),
    reading(...workReading(cells)),
  ];
}

function introduction(cells: FsyncCell[], { pagesPerFsync, bareP50Us, bareP99Us }: Calibration): string[] {
  const lengths = cells.map(({ blockMs }) => Math.round(blockMs));
  const range = [...new Set([Math.min(...lengths), Math.max(...lengths)])].join(' to ');
  return [
    `Each commit writes a 1 KiB record into the same ${pagesPerFsync} pages and calls fsync, at fixed times, whatever became of the one before.`,
    `Meanwhile other threads hold write pins for DMA, on those very pages ("pinned") or on pages of another file ("none"), in alternating blocks of ${range} ms.`,
    `Bare write + fdatasync of ${pagesPerFsync} pages, alone on the machine: p50 ${ms(bareP50Us)} ms, p99 ${ms(bareP99Us)} ms.`,
  ];
}

/** What is not as in most cells: how holds are drawn, and what pins. */
export function unusualOf({ holdShape, pinSource }: Pick<FsyncCell, 'holdShape' | 'pinSource'>): string[] {
  return [
    ...(holdShape === 'fixed' ? [] : [`${holdShape} holds`]),
    ...(pinSource === 'file' ? [] : [pinSource]),
  ];
}

const POLICY_NAME = { bare: 'bare fs', bounce: 'bounce', block: 'block', skip: 'skip (control)' };

export function policyName(cell: FsyncCell): string {
  const { policy, pinnedDirty } = cell;
  return [POLICY_NAME[policy], ...(policy === 'bounce' ? [pinnedDirty] : []), ...unusualOf(cell)].join(', ');
}

/** The hold where it changes, nothing below it: the eye finds the groups. */
function holdName(cells: FsyncCell[], i: number): string {
  return cells[i].holdMs === cells[i - 1]?.holdMs ? '' : `${cells[i].holdMs} ms`;
}

function latencyTable(cells: FsyncCell[]): Block {
  const columns = [
    { head: 'hold' },
    { head: 'policy', words: true },
    { head: 'p50 ms' },
    { head: 'p90' },
    { head: 'p99' },
    { head: 'p99.9' },
    { head: 'max' },
    { head: 'count' },
    { head: 'p50 ÷ none' },
    { head: 'quartiles' },
    { head: 'A/A' },
    { head: 'p99 ÷ none' },
    { head: 'A/A' },
  ];
  const rows = cells.map((cell, i) => {
    const { latency } = cell.arms.pinned;
    const { p50, p99 } = cell.ratios;
    return [
      holdName(cells, i),
      policyName(cell),
      ms(latency.p50Us),
      ms(latency.p90Us),
      ms(latency.p99Us),
      ms(latency.p999Us),
      ms(latency.maxUs),
      count(latency.count),
      judged(p50),
      p50.paired ? `${ratio(p50.paired.q1)}–${ratio(p50.paired.q3)}` : ratio(null),
      controlCell(p50.control.paired ?? p50.control.pooled),
      judged(p99),
      controlCell(p99.control.paired ?? p99.control.pooled),
    ];
  });
  return table(columns, rows);
}

function ratioOf({ paired, pooled }: RatioFigures): number | null {
  return paired?.median ?? pooled;
}

function judged(figures: RatioFigures): Cell {
  const text = ratio(ratioOf(figures));
  switch (figures.verdict) {
    case 'ok':
      return good(text);
    case 'short':
      return bad(`${text} ✗`);
    case 'no verdict':
      return doubtful(`${text}?`);
    case 'none':
      return text;
  }
}

function latencyReading(cells: FsyncCell[]): string[] {
  const sentences = [
    'Latencies are of the arm whose pages are pinned, from the moment each fsync was due. "÷ none" divides them by the arm with the pins elsewhere',
    '(p50: median and quartiles of the ratios of neighbouring blocks; p99: all blocks together). A/A is the same ratio between two identical arms;',
    `where it is off by more than 5% the machine moved, and the ratio before it carries a "?": no verdict. So does one that is nearer to its bar than it is exact. Bars are of bounce: p50 ≤ ${BAR_P50}, p99 ≤ ${BAR_P99}; ✗ misses its bar.`,
  ];
  return [...sentences, ...latencyFindings(cells)];
}

/** What the latencies say. */
function latencyFindings(cells: FsyncCell[]): string[] {
  const sentences: string[] = [];
  const bounced = cells.filter(({ policy }) => policy === 'bounce').map(({ ratios }) => ratios.p50);
  const judgedRatios = bounced
    .filter(({ verdict }) => verdict !== 'no verdict')
    .map((p50) => ratioOf(p50) ?? 0);
  if (judgedRatios.length > 0) {
    const range = [...new Set([ratio(Math.min(...judgedRatios)), ratio(Math.max(...judgedRatios))])].join(
      ' to ',
    );
    sentences.push(
      `Bounce: an fsync of pinned pages takes ${range} times as long as one of free pages (p50; ${judgedRatios.length} of ${bounced.length} rows have a verdict).`,
    );
  } else if (bounced.length > 0) {
    sentences.push('Bounce: no verdict in any row: the machine moved, or the run was too short.');
  }
  if (cells.some((cell) => unusualOf(cell).length > 0)) {
    sentences.push(
      'Pins are of reads of a file (from a hold of 10 ms on of a storing thread too), and all of a length, but where a row says: exponential or heavy-tailed lengths around the same mean; receives from a socket over loopback ("socket"), the storing thread alone ("store").',
    );
  }
  const waits = cells
    .filter(
      (cell) =>
        cell.policy === 'block' &&
        cell.holdMs > 0 &&
        cell.arms.pinned.latency.count > 0 &&
        unusualOf(cell).length === 0,
    )
    .map(({ holdMs, arms }) => `${ms(arms.pinned.latency.p99Us)} ms at a hold of ${holdMs} ms`);
  if (waits.length > 0) sentences.push(`Block waits for the pins: p99 ${waits.join(', ')}.`);
  return sentences;
}

function workTable(cells: FsyncCell[]): Block {
  const columns = [
    { head: 'hold' },
    { head: 'policy', words: true },
    { head: 'due/s' },
    { head: 'fsyncs/s' },
    { head: 'pages/fsync' },
    { head: 'bounced' },
    { head: 'vain visits/s' },
    { head: 'backlog' },
    { head: 'carried over' },
    { head: 'given up' },
    { head: 'checked' },
    { head: 'lies' },
  ];
  const rows = cells.map((cell, i) => {
    const { pinned } = cell.arms;
    const { queue, truth } = cell;
    const cached = cell.policy !== 'bare';
    return [
      holdName(cells, i),
      policyName(cell),
      rate(cell.duePerSecond),
      rate(pinned.perSecond),
      rate(pinned.pagesPerFsync),
      rate(cached ? pinned.bouncedPerFsync : null),
      // The control counts the pages it leaves out itself the same way.
      rate(cached && cell.policy !== 'skip' ? pinned.vainVisitsPerSecond : null),
      count(queue.backlogMax),
      count(queue.carriedOver),
      count(queue.givenUp + queue.timeouts),
      count(truth.checked),
      lies(cell),
    ];
  });
  return table(columns, rows);
}

function lies({ policy, truth }: FsyncCell): Cell {
  if (truth.lies === 0) return good('0');
  return policy === 'skip' ? doubtful(count(truth.lies)) : bad(count(truth.lies));
}

function workReading(cells: FsyncCell[]): string[] {
  return [
    'Rates are of the pinned arm, counts of the whole cell. After each fsync the file itself, read by plain fs, is compared with what had been written before the call; an older record is a lie.',
    ...truthFindings(cells),
    '"Vain visits": pages that the flusher came to clean and found pinned. "Backlog": most fsyncs due and not begun. "Carried over": fsyncs that queued behind another arm\'s, left out of the latencies. "Given up": fsyncs skipped or timed out.',
  ];
}

/** What the truth checks say. */
function truthFindings(cells: FsyncCell[]): string[] {
  const truthOf = (...policies: FsyncCell['policy'][]) => {
    const truths = cells.filter(({ policy }) => policies.includes(policy)).map(({ truth }) => truth);
    const checked = truths.reduce((sum, truth) => sum + truth.checked, 0);
    const lies = truths.reduce((sum, truth) => sum + truth.lies, 0);
    return {
      checked,
      lies,
      text: `${count(lies)} ${lies === 1 ? 'lie' : 'lies'} in ${count(checked)} fsyncs`,
    };
  };
  const sentences: string[] = [];
  const honest = truthOf('bounce', 'block');
  if (honest.checked > 0) sentences.push(`Bounce and block: ${honest.text}.`);
  const control = truthOf('skip');
  if (control.checked > 0)
    sentences.push(
      `Skip, the control that leaves pinned pages out: ${control.text}${control.lies > 0 ? '; so the check does see them' : ''}.`,
    );
  return sentences;
}
