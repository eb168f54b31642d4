// What a scenario would have drawn, as data: the HTML report draws it.
import type { Curve } from '../histogram';
import type { Portrait } from '../portrait';

export interface Axis {
  label: string;
  scale: 'linear' | 'log';
}

interface Titled {
  title: string;
  /** What is to be seen, for those who do not see it. */
  description: string;
}

/** Latency percentile curves, as HdrHistogram draws them: both axes logarithmic, the x axis in 1 ÷ (1 - percentile). */
interface PercentileChart extends Titled {
  kind: 'percentiles';
  series: { name: string; curve: Curve }[];
}

/** Figures over a quantity: throughput over callers, say. */
interface LineChart extends Titled {
  kind: 'lines';
  x: Axis & { values: number[] };
  y: Axis;
  /** One value for each of x; null: none. */
  series: { name: string; values: (number | null)[] }[];
}

/** Figures beside one another, by name. */
interface BarChart extends Titled {
  kind: 'bars';
  label: string;
  bars: { name: string; value: number; q1?: number; q3?: number }[];
}

/** fsyncs over time, the pins under them, and the states of the pages as a heat map. */
interface PortraitChart extends Titled {
  kind: 'portrait';
  portrait: Portrait;
}

export type Chart = PercentileChart | LineChart | BarChart | PortraitChart;
