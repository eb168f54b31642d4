// A portrait: fsyncs over time with the pins under them, and on the same time axis the state of each page.
import uPlot from 'uplot';
import { PAGE_LOOKS, type Portrait } from '../../../portrait';
import { axis, LABEL_PX, logRange, logTicks, short, tickedAxis, timeText } from './axes';
import { type Entry, Legend } from './legend';
import { draw } from './plot';
import { theme } from './theme';

const FSYNCS_PX = 240;
const PAGE_PX = { most: 14, all: { least: 110, most: 230 } };
/** Both plots leave as much room to the left, so that their times stand above one another. */
const LEFT_PX = 66;
/** The pins' part of the upper plot. */
const PINS_SHARE = 0.2;
/** A page's row that is not as high as this has no gap below it and no line through it, px. */
const ROW_PX = 5;
const SHORTEST_MS = 1e-3;

export interface Drawable {
  portrait: Portrait;
  plot: HTMLElement;
  legend: HTMLElement;
}

/** The range of fsync latencies, ms: one for all portraits, so that they can be compared. */
export function latencyRange(portraits: readonly Portrait[]): [number, number] {
  return logRange(
    portraits.flatMap(({ fsyncs }) => fsyncs.map(({ latencyMs }) => Math.max(SHORTEST_MS, latencyMs))),
  );
}

export function drawPortrait({ portrait, plot, legend }: Drawable, latencies: [number, number]): void {
  const hidden = new Set<string>();
  const upper = part(plot);
  const lower = part(plot);
  const states = PAGE_LOOKS.filter((_, n) => portrait.looks.states.some((look) => look.includes(String(n))));
  const toggle = (name: string) => (shown: boolean) => {
    if (shown) hidden.delete(name);
    else hidden.add(name);
    for (const drawn of plots) drawn.redraw(false);
  };
  const entries: Entry[] = [
    { name: 'fsync', colour: () => theme().lines[0], dash: [], toggle: toggle('fsync') },
    { name: 'pins', colour: () => theme().pin, toggle: toggle('pins') },
    ...states.map((state) => ({
      name: state,
      colour: () => theme().pages[state],
      toggle: toggle(state),
    })),
  ];
  const shown = new Legend(legend, entries);
  const plots = [drawFsyncs(portrait, upper, latencies, hidden), drawPages(portrait, lower, hidden)];
  const key = plot.getAttribute('aria-labelledby') ?? '';
  for (const drawn of plots) uPlot.sync(key).sub(drawn);
  shareTime(plots, portrait.durationMs, plot);
  plots[0].hooks.setCursor?.push((drawn) => shown.read(readAt(drawn), []));
}

function part(plot: HTMLElement): HTMLElement {
  const element = document.createElement('div');
  plot.append(element);
  return element;
}

function readAt(drawn: uPlot): string {
  const { left } = drawn.cursor;
  return left === undefined || left < 0 ? '' : `at ${short(drawn.posToVal(left, 'x'))} ms`;
}

const shared = (
  portrait: Portrait,
  key: string,
): Pick<uPlot.Options, 'cursor' | 'padding'> & { x: uPlot.Scale } => ({
  cursor: { drag: { x: true, y: false }, sync: { key }, points: { show: false } },
  padding: [8, 14, 0, 0],
  x: { time: false, min: 0, max: portrait.durationMs },
});

function drawFsyncs(
  portrait: Portrait,
  into: HTMLElement,
  [low, high]: [number, number],
  hidden: ReadonlySet<string>,
): uPlot {
  const { fsyncs, holds } = portrait;
  const { x, ...options } = shared(portrait, into.parentElement?.getAttribute('aria-labelledby') ?? '');
  // So much lower that the pins have their share below the lowest latency.
  const bottom = low / (high / low) ** (PINS_SHARE / (1 - PINS_SHARE));
  const behind = (drawn: uPlot): void => {
    if (hidden.has('pins')) return;
    clipped(drawn, ({ ctx, bbox }) => {
      ctx.fillStyle = theme().pinned;
      for (const { startMs, endMs } of holds) bar(drawn, startMs, endMs, bbox.top, bbox.height);
    });
  };
  const onTop = (drawn: uPlot): void => {
    const { ctx, bbox } = drawn;
    const band = {
      top: bbox.top + bbox.height * (1 - 0.75 * PINS_SHARE),
      height: bbox.height * 0.5 * PINS_SHARE,
    };
    ctx.save();
    ctx.fillStyle = theme().text;
    ctx.textAlign = 'right';
    ctx.textBaseline = 'middle';
    ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.fillText('pins', bbox.left - 10 * devicePixelRatio, band.top + band.height / 2);
    ctx.restore();
    clipped(drawn, () => {
      if (!hidden.has('pins')) {
        ctx.fillStyle = theme().pin;
        for (const { startMs, endMs } of holds) bar(drawn, startMs, endMs, band.top, band.height);
      }
      if (hidden.has('fsync')) return;
      ctx.fillStyle = theme().lines[0];
      ctx.strokeStyle = theme().lines[0];
      ctx.lineWidth = devicePixelRatio;
      for (const { dueMs, latencyMs } of fsyncs) {
        const left = drawn.valToPos(dueMs, 'x', true);
        const y = drawn.valToPos(Math.max(SHORTEST_MS, latencyMs), 'y', true);
        // From when it was due until it ended.
        ctx.globalAlpha = 0.45;
        ctx.beginPath();
        ctx.moveTo(left, y);
        ctx.lineTo(drawn.valToPos(dueMs + latencyMs, 'x', true), y);
        ctx.stroke();
        ctx.globalAlpha = 1;
        ctx.beginPath();
        ctx.arc(left, y, 2.2 * devicePixelRatio, 0, 2 * Math.PI);
        ctx.fill();
      }
    });
  };
  return draw(
    into,
    FSYNCS_PX,
    {
      ...options,
      scales: { x, y: { distr: 3, range: [bottom, high] } },
      axes: [
        axis({ values: (_, splits) => splits.map(() => ''), size: 6 }),
        tickedAxis(
          (_, max) => logTicks(low, max),
          (value) => timeText(1e3 * value),
          { size: LEFT_PX },
        ),
      ],
      series: [{}, { show: true, paths: () => null, points: { show: false } }],
      hooks: { drawClear: [behind], draw: [onTop], setCursor: [] },
    },
    [fsyncs.map(({ dueMs }) => dueMs), fsyncs.map(({ latencyMs }) => latencyMs)],
  );
}

function drawPages(portrait: Portrait, into: HTMLElement, hidden: ReadonlySet<string>): uPlot {
  const { looks } = portrait;
  const { x, ...options } = shared(portrait, into.parentElement?.getAttribute('aria-labelledby') ?? '');
  const { all, most } = PAGE_PX;
  const height = 44 + Math.min(all.most, Math.max(all.least, looks.pages * most));
  const paint = (drawn: uPlot): void =>
    clipped(drawn, ({ ctx, bbox }) => {
      const row = bbox.height / Math.max(1, looks.pages);
      const wide = row >= ROW_PX * devicePixelRatio;
      for (let page = 0; page < looks.pages; page++) {
        const top = bbox.top + page * row;
        for (const { state, fromMs, toMs } of runsOf(portrait, page)) {
          if (hidden.has(state)) continue;
          ctx.fillStyle = theme().pages[state];
          bar(drawn, fromMs, toMs, top, wide ? row - devicePixelRatio : row);
          if (!wide || !state.startsWith('pinned')) continue;
          ctx.fillStyle = theme().pinLine;
          bar(drawn, fromMs, toMs, top + row / 2 - devicePixelRatio, devicePixelRatio);
        }
      }
    });
  const ticks = [0, looks.pages >> 1, looks.pages].filter((tick, n, own) => own.indexOf(tick) === n);
  return draw(
    into,
    height,
    {
      ...options,
      scales: { x, y: { dir: -1, range: [0, Math.max(1, looks.pages)] } },
      axes: [
        axis({ label: 'ms', values: (_, splits) => splits.map(short), grid: { show: false } }),
        tickedAxis(() => ticks, String, { size: LEFT_PX - LABEL_PX, label: 'page', grid: { show: false } }),
      ],
      series: [{}, { show: true, paths: () => null, points: { show: false } }],
      hooks: { drawClear: [paint] },
    },
    [looks.atMs, looks.atMs.map(() => 0)],
  );
}

interface StateRun {
  state: (typeof PAGE_LOOKS)[number];
  fromMs: number;
  toMs: number;
}

/** The states of a page one after another, each from the look that first showed it to the one that showed another. */
function runsOf({ looks: { atMs, states }, durationMs }: Portrait, page: number): StateRun[] {
  const runs: StateRun[] = [];
  for (const [n, look] of states.entries()) {
    const state = PAGE_LOOKS[Number(look[page])];
    const toMs = atMs[n + 1] ?? Math.max(durationMs, atMs[n]);
    const last = runs.at(-1);
    if (last?.state === state) last.toMs = toMs;
    else if (state !== undefined) runs.push({ state, fromMs: atMs[n], toMs });
  }
  return runs;
}

function clipped(drawn: uPlot, paint: (drawn: uPlot) => void): void {
  const { ctx, bbox } = drawn;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  paint(drawn);
  ctx.restore();
}

/** However short, it is to be seen. */
function bar(drawn: uPlot, fromMs: number, toMs: number, top: number, height: number): void {
  const left = drawn.valToPos(fromMs, 'x', true);
  const width = Math.max(devicePixelRatio, drawn.valToPos(toMs, 'x', true) - left);
  drawn.ctx.fillRect(left, top, width, height);
}

/** Both show the same time, whether it was chosen by dragging over one or by the buttons. */
function shareTime(plots: readonly uPlot[], durationMs: number, before: HTMLElement): void {
  const show = (min: number, max: number): void => {
    const width = Math.min(durationMs, max - min);
    const from = Math.min(Math.max(0, min), durationMs - width);
    for (const drawn of plots) {
      const { x } = drawn.scales;
      if (x.min !== from || x.max !== from + width) drawn.setScale('x', { min: from, max: from + width });
    }
  };
  const change = (of: (min: number, max: number) => [number, number]) => () => {
    const { min, max } = plots[0].scales.x;
    show(...of(min ?? 0, max ?? durationMs));
  };
  for (const drawn of plots) {
    drawn.hooks.setScale ??= [];
    drawn.hooks.setScale.push((changed, key) => {
      const { min, max } = changed.scales.x;
      if (key === 'x') show(min ?? 0, max ?? durationMs);
    });
  }
  const quarter = (min: number, max: number) => (max - min) / 4;
  const tools = document.createElement('div');
  tools.className = 'zoom';
  tools.setAttribute('role', 'group');
  tools.setAttribute('aria-label', 'Part of the time that is shown');
  const buttons: [string, string, (min: number, max: number) => [number, number]][] = [
    ['−', 'More of it', (min, max) => [min - 2 * quarter(min, max), max + 2 * quarter(min, max)]],
    ['+', 'Less of it', (min, max) => [min + quarter(min, max), max - quarter(min, max)]],
    ['◂', 'Earlier', (min, max) => [min - quarter(min, max), max - quarter(min, max)]],
    ['▸', 'Later', (min, max) => [min + quarter(min, max), max + quarter(min, max)]],
    ['all', 'All of it', () => [0, durationMs]],
  ];
  for (const [text, name, of] of buttons) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = text;
    button.setAttribute('aria-label', name);
    button.addEventListener('click', change(of));
    tools.append(button);
  }
  before.before(tools);
}
