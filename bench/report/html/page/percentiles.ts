// Percentile curves as HdrHistogram draws them: each step to the right leaves a tenth of what lay above.
import type uPlot from 'uplot';
import type { Curve } from '../../../histogram';
import type { PercentileChart } from '../../chart';
import { logTicks, tickedAxis, timeText } from './axes';
import { Legend } from './legend';
import { colourOf, dashOf, draw, lineSeries, nearest } from './plot';

const HEIGHT_PX = 280;
/** The maximum has no place at such an axis: it stands one step beyond the last percentile. */
const STEP = 2 ** (1 / 4);

/** Where the points of `curve` stand on the x axis: 1 ÷ the share above each. */
function places({ percentiles }: Curve): number[] {
  const inner = percentiles
    .slice(0, -1)
    .map((percentile) => Number((100 / (100 - percentile)).toPrecision(6)));
  return percentiles.length === 0 ? [] : [...inner, Number(((inner.at(-1) ?? 1) * STEP).toPrecision(6))];
}

/** Ticks at half, and at each nine. */
function ticks(min: number, max: number): number[] {
  return [2, ...logTicks(10, 1e12)].filter((tick) => tick >= min && tick <= max);
}

function percentText(place: number): string {
  const digits = Math.max(0, Math.ceil(Math.log10(place)) - 2);
  return `${Number((100 - 100 / place).toFixed(digits))}%`;
}

/** `us`: the range of the y axis. */
export function drawPercentiles(
  { series }: PercentileChart,
  plot: HTMLElement,
  legend: HTMLElement,
  us: [number, number],
): void {
  const curves = series.map(({ curve }) => ({ at: places(curve), us: curve.us }));
  const x = [...new Set(curves.flatMap(({ at }) => at))].sort((a, b) => a - b);
  const columns = curves.map((curve) => {
    const byPlace = new Map(curve.at.map((place, n) => [place, curve.us[n]]));
    return x.map((place) => byPlace.get(place) ?? null);
  });
  const range: [number, number] = [1, Math.max(10, ...x) * 1.15];
  const entries = new Legend(
    legend,
    series.map((line, n) => ({
      name: line.name,
      colour: colourOf(line, n),
      dash: dashOf(line, n),
      toggle: (show) => drawn.setSeries(n + 1, { show }),
    })),
  );
  const read = (drawn: uPlot): void => {
    const at = drawn.cursor.idx;
    if (at === null || at === undefined) {
      entries.read('', []);
      return;
    }
    const values = columns.map((column) => {
      const place = nearest(column, at);
      return place === null ? '' : timeText(column[place] ?? 0);
    });
    entries.read(percentText(x[at]), values);
  };
  const drawn = draw(
    plot,
    HEIGHT_PX,
    {
      scales: { x: { time: false, distr: 3, range }, y: { distr: 3, range: us } },
      axes: [
        tickedAxis(ticks, percentText, { label: 'percentile', space: 46 }),
        tickedAxis(logTicks, timeText, { size: 66 }),
      ],
      series: [{}, ...series.map((line, n) => lineSeries(line, n, line.curve.us.length < 3))],
      hooks: { setCursor: [read] },
    },
    [x, ...columns],
  );
}
