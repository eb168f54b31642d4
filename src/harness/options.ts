// Options of a cache that the harness has and users have not.
import { pinfoldError } from '../errors';
import { type CacheOptions, type CheckedOptions, checkCacheOptions } from '../options';

/**
 * Whether a page is dirty all the time it is write-pinned ('keep'), or cleaned when it is written and dirty again when the pin
 * drops ('redirty', as shipped). docs/keep-or-redirty.md tells why only one of them is shipped.
 */
export type PinnedDirty = 'keep' | 'redirty';

export interface HarnessOptions extends CacheOptions {
  pinnedDirty?: PinnedDirty;
}

/** The options as they are shipped, checked; and whether pinned pages stay dirty. */
export function checkHarnessOptions(given: HarnessOptions = {}): { options: CheckedOptions; keep: boolean } {
  const { pinnedDirty = 'redirty', ...rest } = given;
  if (pinnedDirty !== 'keep' && pinnedDirty !== 'redirty') {
    throw pinfoldError('ERR_PINFOLD_OPTION', `pinnedDirty must be 'keep' or 'redirty', got ${pinnedDirty}`);
  }
  return { options: checkCacheOptions(rest), keep: pinnedDirty === 'keep' };
}
