import { type PinfoldError, pinfoldError } from './errors';
import * as L from './kernel/layout';

/** What calls end with once the cache's life is over, or about to be (LIFE_CLOSING). */
export function lifeError(life: number): PinfoldError {
  return life >= L.LIFE_GONE
    ? pinfoldError(
        'ERR_PINFOLD_OWNER_GONE',
        'the thread that created the cache has ended, and the cache with it: create it in a thread that outlives its users',
      )
    : pinfoldError('ERR_PINFOLD_CLOSED', 'the cache is closed: its creator has closed it');
}
