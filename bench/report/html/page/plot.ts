// A plot of uPlot's in its place: as wide as that is, and in the colours of the page.
import uPlot from 'uplot';
import { onTheme, theme } from './theme';

export interface Line {
  name: string;
  control?: boolean;
}

const DASHES: readonly (readonly number[])[] = [
  [],
  [9, 4],
  [3, 3],
  [12, 3, 3, 3],
  [6, 2],
  [2, 2, 6, 2],
  [1, 3],
];
const CONTROL_DASHES: readonly (readonly number[])[] = [
  [2, 4],
  [8, 3, 1, 3],
];
/** Lines further away than this from the pointer are not meant by it, px. */
const NEAR_PX = 20;

/** How the line at a place of its chart looks. */
export const colourOf =
  ({ control }: Line, place: number) =>
  (): string =>
    control === true ? theme().control : theme().lines[place % theme().lines.length];

export const dashOf = ({ control }: Line, place: number): readonly number[] =>
  control === true ? CONTROL_DASHES[place % CONTROL_DASHES.length] : DASHES[place % DASHES.length];

export function lineSeries(line: Line, place: number, points: boolean): uPlot.Series {
  return {
    label: line.name,
    stroke: colourOf(line, place),
    width: line.control === true ? 1.5 : 2,
    dash: [...dashOf(line, place)],
    spanGaps: true,
    points: points ? { show: true, size: 7, fill: colourOf(line, place) } : { show: false },
  };
}

export function draw(
  into: HTMLElement,
  height: number,
  options: Omit<uPlot.Options, 'width' | 'height'>,
  data: uPlot.AlignedData,
): uPlot {
  const plot = new uPlot(
    {
      legend: { show: false },
      padding: [10, 14, 0, 0],
      focus: { alpha: 0.35 },
      ...options,
      cursor: { focus: { prox: NEAR_PX }, drag: { x: false, y: false }, y: false, ...options.cursor },
      width: Math.max(1, into.clientWidth),
      height,
    },
    data,
    into,
  );
  new ResizeObserver(() => {
    const width = into.clientWidth;
    if (width > 0 && width !== plot.width) plot.setSize({ width, height });
  }).observe(into);
  onTheme(() => plot.redraw(false));
  return plot;
}

/** The place of the value nearest to `at` that the line has. */
export function nearest(values: readonly (number | null | undefined)[], at: number): number | null {
  for (let away = 0; away < values.length; away++) {
    if (values[at - away] != null) return at - away;
    if (values[at + away] != null) return at + away;
  }
  return null;
}
