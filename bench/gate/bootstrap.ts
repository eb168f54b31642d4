// How exactly a median is known: the percentile bootstrap.
import { sampleWithReplacement } from 'simple-statistics';
import { median, quantile } from '../statistics';

export interface Interval {
  median: number;
  /** The median lies between these with `CONFIDENCE`; both NaN without values. */
  low: number;
  high: number;
  count: number;
}

/** A gate looks at its intervals several times and has several metrics: 95% would be wrong too often. */
export const CONFIDENCE = 0.99;
const RESAMPLES = 2_000;

/** Of the median of `values`; the same for the same `random`. */
export function intervalOf(values: readonly number[], random: () => number): Interval {
  const medians =
    values.length === 0
      ? []
      : Array.from({ length: RESAMPLES }, () =>
          median(sampleWithReplacement([...values], values.length, random)),
        );
  return {
    median: median(values),
    low: quantile(medians, (1 - CONFIDENCE) / 2),
    high: quantile(medians, (1 + CONFIDENCE) / 2),
    count: values.length,
  };
}
