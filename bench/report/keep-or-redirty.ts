// The tables of the scenario keep-or-redirty, in the terminal and in Markdown.
import type { KeepOrRedirtyCell, Mode, ModeFigures } from '../scenarios/keep-or-redirty/shape';
import type { BenchReport } from '../schema';
import { type Block, type Column, heading, reading, table } from './blocks';
import { digits, ms, rate, ratio } from './format';

export interface Figures {
  title: string;
  columns: Column[];
  rows: string[][];
  /** What the columns are. */
  text: string[];
}

export function keepOrRedirtyTables({ keepOrRedirty }: BenchReport): Block[] {
  if (keepOrRedirty.length === 0) return [];
  return [
    heading('keep or redirty'),
    reading(
      'Each pair of columns is keep, redirty. A/A is keep once more, in runs of its own, divided by keep: where it is off, so is what stands before it.',
    ),
    ...keepOrRedirtyFigures(keepOrRedirty).flatMap(({ title, columns, rows, text }) => [
      table(columns, rows, title),
      reading(...text),
    ]),
  ];
}

export function keepOrRedirtyFigures(cells: KeepOrRedirtyCell[]): Figures[] {
  const long = cells.filter(({ pinnedShare, holdMs }) => pinnedShare > 0 && holdMs >= LONG_HOLD_MS);
  return [
    writes(cells),
    fsyncs(cells),
    gauge(cells),
    writers(cells),
    ...(long.length > 0 ? [anew(long)] : []),
  ];
}

/** Holds under which a device stores into a page more than once, ms. */
const LONG_HOLD_MS = 20;

const CELL: Column[] = [{ head: 'pinned' }, { head: 'hold ms' }];

function cellOf({ pinnedShare, holdMs }: KeepOrRedirtyCell): string[] {
  return [`${Math.round(pinnedShare * 100)}%`, pinnedShare === 0 ? '–' : String(holdMs)];
}

/** keep's figure, redirty's. */
function pair(
  { modes }: KeepOrRedirtyCell,
  figure: (of: ModeFigures) => number | null,
  text: (value: number | null) => string,
): string[] {
  return [text(figure(modes.keep)), text(figure(modes.redirty))];
}

function against(
  { modes }: KeepOrRedirtyCell,
  mode: Mode,
  figure: (of: ModeFigures) => number | null,
): string {
  const under = figure(modes.keep);
  const over = figure(modes[mode]);
  return ratio(under === null || over === null || under === 0 ? null : over / under);
}

function writes(cells: KeepOrRedirtyCell[]): Figures {
  const written = (of: ModeFigures) => of.writtenPerSecond;
  return {
    title: 'writes',
    columns: [
      ...CELL,
      { head: 'pages/s' },
      { head: 'redirty' },
      { head: '÷' },
      { head: 'A/A' },
      { head: 'bounced/s' },
      { head: 'redirty' },
      { head: 'MiB/s' },
      { head: 'redirty' },
      { head: 'vain/s' },
      { head: 'redirty' },
      { head: 'flusher ms/s' },
      { head: 'redirty' },
    ],
    rows: cells.map((cell) => [
      ...cellOf(cell),
      ...pair(cell, written, rate),
      against(cell, 'redirty', written),
      against(cell, 'keepAgain', written),
      ...pair(cell, (of) => of.bouncedPerSecond, rate),
      ...pair(cell, (of) => of.bytesPerSecond / 2 ** 20, digits),
      ...pair(cell, (of) => of.vainVisitsPerSecond, rate),
      ...pair(cell, (of) => of.flusherCpuMsPerSecond, digits),
    ]),
    text: [
      'Pages written a second, by whomever; ÷ is redirty divided by keep. "Bounced": of those, copies of pinned pages. "Vain": pages that the flusher came to clean and found pinned. "Flusher": its CPU time.',
    ],
  };
}

/** Percent of what had been stored under live pins that the file had after an fsync. */
function covered({ truth }: ModeFigures): number | null {
  return truth.live === 0 ? null : (100 * truth.liveCovered) / truth.live;
}

function fsyncs(cells: KeepOrRedirtyCell[]): Figures {
  const p50 = (of: ModeFigures) => of.fsync.p50Us;
  return {
    title: 'fsync',
    columns: [
      ...CELL,
      { head: 'p50 ms' },
      { head: 'redirty' },
      { head: '÷' },
      { head: 'A/A' },
      { head: 'p99 ms' },
      { head: 'redirty' },
      { head: 'pages' },
      { head: 'redirty' },
      { head: 'bounced' },
      { head: 'redirty' },
      { head: 'live %' },
      { head: 'redirty' },
    ],
    rows: cells.map((cell) => [
      ...cellOf(cell),
      ...pair(cell, p50, ms),
      against(cell, 'redirty', p50),
      against(cell, 'keepAgain', p50),
      ...pair(cell, (of) => of.fsync.p99Us, ms),
      ...pair(cell, (of) => of.pagesPerFsync, rate),
      ...pair(cell, (of) => of.bouncedPerFsync, rate),
      ...pair(cell, covered, digits),
    ]),
    text: [
      'Latency from when each fsync was due. Pages that one wrote, and copies of pinned pages among them. "Live": of what had been stored under pins that were live all through an fsync, the share that the file had after it; promised is none of it.',
    ],
  };
}

function gauge(cells: KeepOrRedirtyCell[]): Figures {
  const error = ({ gauge }: ModeFigures) =>
    gauge.truth === 0 ? null : (100 * (gauge.falseDirty - gauge.falseClean)) / gauge.truth;
  const signed = (value: number | null) =>
    value !== null && value > 0 ? `+${digits(value)}` : digits(value);
  return {
    title: 'gauge',
    columns: [
      ...CELL,
      { head: 'dirty' },
      { head: 'redirty' },
      { head: 'differ' },
      { head: 'redirty' },
      { head: 'false dirty' },
      { head: 'redirty' },
      { head: 'false clean' },
      { head: 'redirty' },
      { head: 'error %' },
      { head: 'redirty' },
      { head: 'at most' },
      { head: 'redirty' },
    ],
    rows: cells.map((cell) => [
      ...cellOf(cell),
      ...pair(cell, (of) => of.gauge.dirty, rate),
      ...pair(cell, (of) => of.gauge.truth, rate),
      ...pair(cell, (of) => of.gauge.falseDirty, rate),
      ...pair(cell, (of) => of.gauge.falseClean, rate),
      ...pair(cell, error, signed),
      ...pair(cell, ({ gauge }) => gauge.dirty + gauge.writePins - gauge.pinnedDirty, rate),
    ]),
    text: [
      'Pages, the mean over samples. "Dirty" as stats() says; "differ": whose bytes in the cache are not the file\'s. "False dirty": dirty and no different; "false clean": different and clean, all of them write-pinned. "Error": what the two make of the gauge, of the pages that differ. "At most": dirty + writePins - pinnedDirty of stats(), which counts each pinned page as dirty.',
    ],
  };
}

function writers(cells: KeepOrRedirtyCell[]): Figures {
  const p99 = (of: ModeFigures) => of.writer.p99Us;
  return {
    title: 'writers',
    columns: [
      ...CELL,
      { head: 'p50 µs' },
      { head: 'redirty' },
      { head: 'p99 µs' },
      { head: 'redirty' },
      { head: '÷' },
      { head: 'A/A' },
      { head: 'max µs' },
      { head: 'redirty' },
      { head: 'throttles/s' },
      { head: 'redirty' },
      { head: 'A/A' },
    ],
    rows: cells.map((cell) => [
      ...cellOf(cell),
      ...pair(cell, (of) => of.writer.p50Us, digits),
      ...pair(cell, p99, digits),
      against(cell, 'redirty', p99),
      against(cell, 'keepAgain', p99),
      ...pair(cell, (of) => of.writer.maxUs, digits),
      ...pair(cell, (of) => of.throttlesPerSecond, rate),
      against(cell, 'keepAgain', (of) => of.throttlesPerSecond),
    ]),
    text: [
      'Updates of pages that nobody pins, from when each was due. "Throttles": batches of pages that a writer or pinner had to clean itself, dirty pages being over the limit.',
    ],
  };
}

function anew(cells: KeepOrRedirtyCell[]): Figures {
  const three = ({ modes }: KeepOrRedirtyCell, text: (of: ModeFigures) => string) => [
    text(modes.keep),
    text(modes.redirty),
    text(modes.redirtyAnew),
  ];
  return {
    title: 'pins taken anew',
    columns: [
      ...CELL,
      { head: 'pages/s' },
      { head: 'redirty' },
      { head: 'anew' },
      { head: 'live %' },
      { head: 'redirty' },
      { head: 'anew' },
      { head: 'vain/s' },
      { head: 'redirty' },
      { head: 'anew' },
      { head: 'fsync p50 ms' },
      { head: 'redirty' },
      { head: 'anew' },
      { head: 'pins anew/s' },
    ],
    rows: cells.map((cell) => [
      ...cellOf(cell),
      ...three(cell, (of) => rate(of.writtenPerSecond)),
      ...three(cell, (of) => digits(covered(of))),
      ...three(cell, (of) => rate(of.vainVisitsPerSecond)),
      ...three(cell, (of) => ms(of.fsync.p50Us)),
      rate(cell.modes.redirtyAnew.pinnedAnewPerSecond),
    ]),
    text: [
      'Keep, redirty, and redirty with a device that pins a page anew, and drops the pin it has, each time before it stores again: what came before is then under the promise of fsync though the page stays pinned.',
    ],
  };
}
