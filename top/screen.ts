// A snapshot as text.

import type { createColors } from 'picocolors';
import type { Histogram } from 'pinfold';
import type { Snapshot } from 'pinfold/top';
import type { Interval, Latency } from './interval.ts';

type Colors = ReturnType<typeof createColors>;

export interface Look {
  readonly colors: Colors;
  /** Of the terminal: lines beyond the last are left out, and longer ones cut. Infinity: as long as it takes. */
  readonly width: number;
  readonly height: number;
  readonly stacks: boolean;
}

const BAR = 30;

const whole = (n: number) => Math.round(n).toLocaleString('en-US');
const share = (part: number, of: number) => `${of === 0 ? '0.0' : ((100 * part) / of).toFixed(1)}%`;

/** '12.3/s', '45,678/s' */
const perSecond = (n: number) => `${n < 100 ? n.toFixed(1) : whole(n)}/s`;

/** In µs, ms or s, whichever reads well. */
function duration(ms: number): string {
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 1000) return `${ms.toFixed(ms < 10 ? 2 : 1)} ms`;
  return `${(ms / 1000).toFixed(2)} s`;
}

/** The snapshot as lines. `interval`: since the one before, if there was one. */
export function linesOf(
  { pid, time, stats, pinned, pinnedPages }: Snapshot,
  interval: Interval | undefined,
  look: Look,
): string[] {
  const { colors } = look;
  const label = (name: string) => colors.bold(name.padEnd(9));
  const warn = (text: string, when: boolean) => (when ? colors.yellow(text) : text);
  const alarm = (text: string, when: boolean) => (when ? colors.red(text) : text);
  const { frames, resident, dirty, pinnedDirty, writeback, unstable, readPins, writePins, owners } = stats;
  const clean = Math.max(0, resident - dirty);
  const at = new Date(time).toISOString().slice(11, 19);
  const lookups = stats.hits + stats.misses;
  const lines = [
    `${colors.bold('pinfold')} of process ${pid}, ${at} UTC`,
    '',
    `${label('frames')}${bar(clean, dirty, frames, colors)} ${whole(frames)}: ${whole(resident)} used (${share(resident, frames)}), ${whole(frames - resident)} free`,
    `${label('pages')}${whole(clean)} clean, ${warn(`${whole(dirty)} dirty (${share(dirty, frames)})`, dirty > 0)}, ${whole(pinnedDirty)} of them pinned; ${whole(writeback)} in writeback, ${whole(unstable)} unstable`,
    `${label('pins')}${whole(readPins)} read, ${warn(`${whole(writePins)} write`, writePins > 0)}, by ${whole(owners)} threads`,
  ];
  if (interval === undefined) {
    lines.push(
      `${label('counts')}${whole(stats.hits)} hits (${share(stats.hits, lookups)}), ${whole(stats.misses)} misses, ${whole(stats.writtenPages)} pages written, ${whole(stats.flushes)} flushes, ${whole(stats.fsyncs)} fsyncs`,
    );
  } else {
    const { hits, misses, writtenPages, flushes, fsyncs, reclaims } = interval.rates;
    lines.push(
      `${label('rates')}${perSecond(hits)} hits (${share(hits, hits + misses)}), ${perSecond(misses)} misses, ${perSecond(reclaims)} reclaims, ${perSecond(writtenPages)} pages written, ${perSecond(flushes)} flushes, ${perSecond(fsyncs)} fsyncs`,
    );
  }
  lines.push(
    `${label('trouble')}${alarm(`${whole(stats.errors)} errors`, stats.errors > 0)}, ${whole(stats.throttles)} throttles, ${whole(stats.orphans)} orphans, ${whole(stats.bounced)} bounced, ${whole(stats.skippedPinned)} skipped`,
    '',
    ...latencies(stats.timings, interval, colors),
    '',
    colors.bold(pinnedPages === 0 ? 'nobody pins a page' : `who pins (${whole(pinnedPages)} pages)`),
  );
  for (const page of pinned) {
    const state = [page.dirty ? 'dirty' : 'clean', ...(page.writeback ? ['in writeback'] : [])].join(', ');
    for (const { owner, mode, stack } of page.pins) {
      const what = mode === 'write' ? colors.yellow('write') : 'read ';
      lines.push(`  ${what} page ${page.index} of ${page.file} (${state}), ${owner}`);
      if (look.stacks && stack !== undefined)
        lines.push(...stack.split('\n').map((line) => colors.dim(line)));
    }
  }
  if (pinnedPages > pinned.length) lines.push(`  and ${whole(pinnedPages - pinned.length)} pages more`);
  return within(lines, look);
}

function bar(clean: number, dirty: number, frames: number, colors: Colors): string {
  // What there is some of has a cell at the least.
  const cells = (n: number) => (n > 0 ? Math.max(1, Math.round((n / frames) * BAR)) : 0);
  const used = Math.min(BAR, cells(clean + dirty));
  const soiled = Math.min(used, cells(dirty));
  const free = '.'.repeat(BAR - used);
  return `[${colors.green('#'.repeat(used - soiled))}${colors.yellow('!'.repeat(soiled))}${free}]`;
}

function latencies(
  timings: Snapshot['stats']['timings'],
  interval: Interval | undefined,
  colors: Colors,
): string[] {
  const names = ['fsync', 'flush', 'fill', 'throttle'] as const;
  const heads = ['count', 'p50', 'p99', 'longest'];
  const cells = ({ count, p50Ms, p99Ms, maxMs }: Histogram | Latency) => {
    const time = (ms: number) => (count === 0 ? '-' : duration(ms));
    return [whole(count), time(p50Ms), time(p99Ms), time(maxMs)];
  };
  const row = (all: readonly string[]) => all.map((cell) => cell.padStart(10)).join('');
  const since = interval && `last ${interval.seconds.toFixed(1)} s`;
  const head = `${''.padEnd(9)}${since ? `${row(heads)}  |` : ''}${row(heads)}`;
  return [
    ...(since
      ? [`${''.padEnd(9)}${since.padStart(40)}  |${'since the cache was created'.padStart(40)}`]
      : []),
    colors.bold(head),
    ...names.map((name) => {
      const now = interval ? `${row(cells(interval.latencies[name]))}  |` : '';
      return `${colors.bold(name.padEnd(9))}${now}${row(cells(timings[name]))}`;
    }),
  ];
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
const COLOUR = /\x1b\[\d+m/y;

/** Cuts what the terminal has no room for. */
function within(lines: string[], { width, height }: Look): string[] {
  const shown = lines.length > height ? [...lines.slice(0, height - 1), '…'] : lines;
  return shown.map((line) => cut(line, width));
}

/** The first `width` characters of a line; colours take no room, and are kept, so that what was begun ends. */
function cut(line: string, width: number): string {
  let text = '';
  let shown = 0;
  for (let at = 0; at < line.length; ) {
    COLOUR.lastIndex = at;
    const colour = COLOUR.exec(line)?.[0];
    if (colour !== undefined) text += colour;
    else if (shown++ < width) text += line[at];
    at += colour?.length ?? 1;
  }
  return text;
}
