import { CONTROL_TOLERANCE } from '../arms';
import { type Cell, doubtful } from './blocks';
import { ratio } from './format';

/** An A/A control in a table: doubtful where it says that the machine, not the code, moved. */
export function controlCell(control: number | null): Cell {
  const moved = control !== null && Math.abs(control - 1) > CONTROL_TOLERANCE;
  return moved ? doubtful(ratio(control)) : ratio(control);
}
