// Tests that there are for files as usual, of many threads, with each file opened with `direct`.
import { describe } from 'vitest';

import { directObstacle } from '../support/direct.ts';
import { openDirectly } from '../support/directly.mjs';

openDirectly();
const why = directObstacle();

describe.skipIf(why !== undefined)(`with direct${why ? ` (${why})` : ''}`, async () => {
  await import('../threads/truncate.test.ts');
  await import('../threads/failed-flush.test.ts');
  await import('../threads/owner-gone.test.ts');
});
