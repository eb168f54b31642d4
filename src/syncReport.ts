/** What an fsync did. Callers who came together share one round: they get the same figures. */
export interface SyncReport {
  /** Pages written by the round. */
  pages: number;
  /** Of those: written from a copy while they were write-pinned. */
  bounced: number;
  /** Flushes (fdatasync) done by the round: 0 if everything was stable already. */
  flushes: number;
  /** From the call to its end, in ms. */
  durationMs: number;
}
