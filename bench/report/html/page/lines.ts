// Figures over a quantity.
import type uPlot from 'uplot';
import type { LineChart } from '../../chart';
import { axis, linearRange, logRange, logTicks, short, tickedAxis } from './axes';
import { Legend } from './legend';
import { colourOf, dashOf, draw, lineSeries, nearest } from './plot';

const HEIGHT_PX = 240;
/** Beside the first step and the last, in steps. */
const ROOM = 0.35;

export function drawLines({ x, y, series }: LineChart, plot: HTMLElement, legend: HTMLElement): void {
  const places = x.scale === 'steps' ? x.values.map((_, n) => n) : x.values;
  const values = series.flatMap(({ values: own }) => own.filter((value) => value !== null));
  const range = y.scale === 'log' ? logRange(values) : linearRange(values);
  // A logarithmic axis has no zero: such a figure stands at its lower end.
  const shown = (value: number | null) =>
    y.scale === 'log' && value !== null && value <= 0 ? range[0] : value;
  const entries = new Legend(
    legend,
    series.map((line, n) => ({
      name: line.name,
      colour: colourOf(line, n),
      dash: dashOf(line, n),
      toggle: (show) => drawn.setSeries(n + 1, { show }),
    })),
  );
  const nameOf = (n: number) => x.names?.[n] ?? short(x.values[n]);
  const read = (drawn: uPlot): void => {
    const at = drawn.cursor.idx;
    if (at === null || at === undefined) {
      entries.read('', []);
      return;
    }
    const texts = series.map(({ values: own }) => {
      const place = nearest(own, at);
      return place === null ? '' : short(own[place] ?? 0);
    });
    entries.read(`${x.label}: ${nameOf(at)}`, texts);
  };
  const drawn = draw(
    plot,
    HEIGHT_PX,
    {
      scales: {
        x: { time: false, distr: x.scale === 'log' ? 3 : 1, range: xRange(x.scale, places) },
        y: { distr: y.scale === 'log' ? 3 : 1, range },
      },
      axes: [
        // The ticks are the values themselves.
        tickedAxis(
          () => places,
          (place) => nameOf(places.indexOf(place)),
          { label: x.label },
        ),
        y.scale === 'log'
          ? tickedAxis(logTicks, short, { label: y.label, size: 56 })
          : axis({ label: y.label, size: 56, values: (_, splits) => splits.map(short) }),
      ],
      series: [{}, ...series.map((line, n) => lineSeries(line, n, true))],
      hooks: { setCursor: [read] },
    },
    [places, ...series.map(({ values: own }) => own.map(shown))],
  );
}

function xRange(scale: LineChart['x']['scale'], places: number[]): [number, number] {
  const low = places[0] ?? 0;
  const high = places.at(-1) ?? 1;
  if (scale === 'steps') return [low - ROOM, high + ROOM];
  if (scale === 'log') return [low / 1.25, high * 1.25];
  const room = (high - low || 1) * 0.04;
  return [low - room, high + room];
}
