// The benchmark's program end to end: real runs, of seconds each.
import { mergeConfig } from 'vitest/config';
import base from '../../vitest.config.ts';

const { exclude: _, ...test } = base.test ?? {};

export default mergeConfig(
  { ...base, test: { ...test, include: [] } },
  { test: { include: ['test/bench-cli/**/*.test.ts'] } },
);
