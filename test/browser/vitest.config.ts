import { mergeConfig } from 'vitest/config';
import base from '../../vitest.config.ts';

const { exclude: _, ...test } = base.test ?? {};

export default mergeConfig(
  { ...base, test: { ...test, include: [] } },
  {
    test: {
      include: ['test/browser/**/*.test.ts'],
      // What the page does is waited for; on a busy machine that may take its time.
      expect: { poll: { timeout: 15_000 } },
    },
  },
);
