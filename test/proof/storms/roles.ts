import type { PageCacheHandle } from 'pinfold';
import type { Plant } from './child.ts';

/**
 * What a thread does until it is killed. owner: writes, cuts and extends the file that grows. updater, promiser: update
 * records and sync, in place or on an event loop. device: stores under write pins that it holds for long.
 */
export const ROLES = ['owner', 'updater', 'promiser', 'device'] as const;
type Role = (typeof ROLES)[number];

export interface WorkerData {
  readonly handle: PageCacheHandle;
  readonly board: SharedArrayBuffer;
  readonly role: Role;
  readonly directory: string;
  readonly seed: number;
  /** How all open the files. */
  readonly direct: boolean;
  readonly plant: Plant | undefined;
}
