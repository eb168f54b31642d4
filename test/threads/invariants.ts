// The recount of all control words for a cache whose service threads run.
import type { CachedFile, CacheStats } from 'pinfold';
import { engineOf } from '#harness';
import { violations } from '../support/invariants.ts';

/**
 * Everything that does not hold, once the flushers are at rest: what moves now is gone at a second look. Users of the
 * cache must be at rest already. `opened`: this is the only thread that should be attached, and has one handle of each of
 * these files.
 */
export async function violationsWhenQuiet(
  file: CachedFile,
  stats: () => CacheStats,
  { ms = 5000, opened }: { ms?: number; opened?: ReadonlySet<number> } = {},
): Promise<string[]> {
  const { kernel, geometry } = engineOf(file).attachment;
  const end = performance.now() + ms;
  for (;;) {
    const found = violations(kernel, geometry.pageSize, stats(), opened);
    if (found.length === 0 || performance.now() > end) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
