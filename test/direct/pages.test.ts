// Tests that there are for files as usual, of sizes, streams and calls that fail, with each file opened with `direct`. All others
// are run so by `npm run test:direct`.
import { describe } from 'vitest';
import '../support/cache.ts'; // first: its clean-up is for all
import { directObstacle } from '../support/direct.ts';
import { openDirectly } from '../support/directly.mjs';

openDirectly();
const why = directObstacle();

describe.skipIf(why !== undefined)(`with direct${why ? ` (${why})` : ''}`, async () => {
  await import('../extension.test.ts');
  await import('../streams.test.ts');
  await import('../truncate.test.ts');
  await import('../faults.test.ts');
});
