// The peers, in the order of the tables.
import { arc } from './arc';
import { clock } from './clock';
import { lru } from './lru';
import type { MakePolicy } from './policy';
import { s3Fifo } from './s3-fifo';
import { sieve } from './sieve';
import { twoQueue } from './two-queue';

export const PEERS = {
  LRU: lru,
  CLOCK: clock,
  '2Q': twoQueue,
  ARC: arc,
  SIEVE: sieve,
  'S3-FIFO': s3Fifo,
} as const satisfies Record<string, MakePolicy>;

export type PeerName = keyof typeof PEERS;
export const PEER_NAMES = Object.keys(PEERS) as PeerName[];
