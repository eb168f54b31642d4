import { bad, type Cell, doubtful, good } from './blocks';
import type { Verdict } from './figure';

/** Whether a bar was reached, in a table's cell; empty where there is none. */
export function verdictCell(verdict: Verdict): Cell {
  switch (verdict) {
    case 'ok':
      return good(verdict);
    case 'short':
      return bad(verdict);
    case 'no verdict':
      return doubtful(verdict);
    case 'none':
      return '';
  }
}
