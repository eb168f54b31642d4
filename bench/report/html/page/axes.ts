// Ticks and what stands beside them.
import type uPlot from 'uplot';
import { theme } from './theme';

/** Height of the texts below a plot. */
const X_AXIS_PX = 28;
/** Height, or width, of what names an axis. */
export const LABEL_PX = 18;
const FONT = '12px system-ui, sans-serif';

/** Microseconds with the unit that suits them. */
export function timeText(us: number): string {
  if (us < 1e3) return `${short(us)} µs`;
  if (us < 1e6) return `${short(us / 1e3)} ms`;
  return `${short(us / 1e6)} s`;
}

/** Three digits, and no more zeros than that takes. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))} M`;
  return Number(value.toPrecision(3)).toLocaleString('en-US');
}

/** Powers of ten; the fewer decades, the more between them. */
export function logTicks(min: number, max: number): number[] {
  const decades = Math.log10(max / min);
  const parts = decades > 2.5 ? [1] : decades > 0.6 ? [1, 2, 5] : [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.ceil(Math.log10(max)); power++)
    for (const part of parts) ticks.push(Number(`${part}e${power}`));
  return ticks.filter((tick) => tick >= min && tick <= max);
}

/** A range for a logarithmic axis that has room around all of `values`; at least a decade's third. */
export function logRange(values: readonly number[]): [number, number] {
  const positive = values.filter((value) => value > 0);
  if (positive.length === 0) return [1, 10];
  const low = Math.min(...positive);
  const high = Math.max(...positive);
  const room = Math.max(1.2, Math.sqrt(2 / (high / low)));
  return [low / room, high * room];
}

/** From zero, or as far below it as there are values. */
export function linearRange(values: readonly number[]): [number, number] {
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values);
  const room = (high - low || 1) * 0.06;
  return [low < 0 ? low - room : 0, high > 0 ? high + room : low < 0 ? 0 : room];
}

/** What all axes have in common. */
export function axis(more: uPlot.Axis): uPlot.Axis {
  const grid = { stroke: () => theme().grid, width: 1 };
  return {
    font: FONT,
    labelFont: FONT,
    size: X_AXIS_PX,
    labelSize: LABEL_PX,
    labelGap: 0,
    stroke: () => theme().text,
    grid,
    ticks: { ...grid, size: 5 },
    gap: 4,
    ...more,
  };
}

/** An axis whose ticks are `ticks` of the visible range, as far as there is room for their texts. */
export function tickedAxis(
  ticks: (min: number, max: number) => number[],
  text: (value: number) => string,
  more: uPlot.Axis,
): uPlot.Axis {
  return axis({
    splits: (_, __, min, max) => ticks(min, max),
    // A logarithmic scale would thin them out by rules of its own.
    filter: (_, splits) => splits,
    values: (_, splits) => splits.map(text),
    ...more,
  });
}
