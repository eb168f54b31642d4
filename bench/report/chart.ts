// What a scenario would have drawn, as data: the HTML report draws it.
import type { Curve } from '../histogram';
import type { Tone } from './blocks';

interface Titled {
  title: string;
  /** What is to be seen, for those who do not see it. */
  description: string;
}

/** A line. Those of one section that stand at the same place of their lists look the same. */
interface Series {
  name: string;
  /** Drawn so that it stays in the background. */
  control?: boolean;
}

/** Latency percentile curves, as HdrHistogram draws them: both axes logarithmic, the x axis in 1 ÷ (1 - percentile). */
export interface PercentileChart extends Titled {
  kind: 'percentiles';
  series: (Series & { curve: Curve })[];
}

/** Figures over a quantity: throughput over callers, say. */
export interface LineChart extends Titled {
  kind: 'lines';
  x: {
    label: string;
    /** `steps`: as far from one value to the next wherever they are; for few values, and where one is 0. */
    scale: 'linear' | 'log' | 'steps';
    values: number[];
    /** What stands at the axis instead of the values. */
    names?: string[];
  };
  y: { label: string; scale: 'linear' | 'log' };
  /** One value for each of x; null: none. */
  series: (Series & { values: (number | null)[] })[];
}

export interface Bar {
  name: string;
  value: number;
  /** Shown at its end; the value with the chart's unit where nothing is given. */
  text?: string;
  q1?: number;
  q3?: number;
  tone?: Tone;
}

/** Figures beside one another, by name. */
export interface BarChart extends Titled {
  kind: 'bars';
  /** What the values are. */
  label: string;
  /** For ratios: twice as far one way is as far as half the other. Default: linear. */
  scale?: 'log';
  bars: Bar[];
  /** What they are to be compared with: bars begin there, to the one side or the other, if `from` is set. */
  line?: { at: number; name: string; from?: boolean };
}

/** fsyncs over time, the pins under them, and the states of the pages as a heat map. */
export interface PortraitChart extends Titled {
  kind: 'portrait';
  /** Which of the report's portraits. */
  portrait: number;
}

export type Chart = PercentileChart | LineChart | BarChart | PortraitChart;
