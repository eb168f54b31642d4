// Whether a record in pieces is what the file holds, or what a read beside a write made of it.
import type { Judgement } from '../record';

/** Looks at a record that stays in pieces before it counts. */
const LOOKS_ALIKE = 3;
/** Looks at a record that is in other pieces each time before it is given up. */
const LOOKS_MAX = 16;

export interface Settled {
  judgement: Judgement;
  /** The record was in pieces once and did not stay so. */
  passing: boolean;
}

/**
 * The judgement of a record, a torn one only if the file itself holds it so. A read beside a write of the same page may return some bytes
 * of before and some of after (about 1 in 2,000 did on ext4, beside two threads that did nothing but write): such a mix was never in the
 * file. So a record in pieces is read again after whatever write was under way has ended. Had it been torn by that write, it would now be
 * whole, or in other pieces: bytes of the image before are gone for good. The same pieces again are what the file holds.
 * @param look judges `record` as it was read
 * @param again reads it again, once no write that was under way is
 */
export function settled(record: Int32Array, look: () => Judgement, again: () => void): Settled {
  let judgement = look();
  if (judgement !== 'torn') return { judgement, passing: false };
  let alike = 1;
  for (let looks = 1; looks < LOOKS_MAX; looks++) {
    const before = record.slice();
    again();
    judgement = look();
    if (judgement !== 'torn') return { judgement, passing: true };
    alike = record.every((word, i) => word === before[i]) ? alike + 1 : 1;
    if (alike === LOOKS_ALIKE) return { judgement, passing: false };
  }
  return { judgement: 'kept', passing: true };
}
