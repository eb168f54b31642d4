// What happened, in order: what reached the system, and what the program did. The place of an entry is a moment: the
// only clock there is.

/** A moment: how many entries the log had. −1: before anything happened. */
export type Moment = number;

export type Entry =
  /** Bytes that reached the system's cache. `failed`: the call then reported an error. */
  | {
      readonly kind: 'write';
      readonly position: number;
      readonly bytes: Uint8Array;
      readonly failed: boolean;
    }
  | { readonly kind: 'resize'; readonly size: number }
  | { readonly kind: 'flush' }
  /** The flush that began at `begun` has ended. */
  | { readonly kind: 'flushed'; readonly begun: Moment; readonly well: boolean }
  /** The file's entry in its directory is stable. */
  | { readonly kind: 'directory' }
  /** An fsync that was called at `called` has said that all is well. */
  | { readonly kind: 'synced'; readonly called: Moment }
  /** The file's content changed, or something began or ended: for who reads the log. */
  | { readonly kind: 'event'; readonly what: string };

export class Log {
  readonly entries: Entry[] = [];

  get now(): Moment {
    return this.entries.length - 1;
  }

  add(entry: Entry): Moment {
    this.entries.push(entry);
    return this.now;
  }

  event(what: string): Moment {
    return this.add({ kind: 'event', what });
  }
}

export function tell(entry: Entry): string {
  switch (entry.kind) {
    case 'write':
      return `store: write ${entry.bytes.length} at ${entry.position}${entry.failed ? ', reported as failed' : ''}`;
    case 'resize':
      return `store: resize to ${entry.size}`;
    case 'flush':
      return 'store: flush begins';
    case 'flushed':
      return `store: the flush begun at ${entry.begun} ${entry.well ? 'has succeeded' : 'has failed'}`;
    case 'directory':
      return 'store: the directory is synced';
    case 'synced':
      return `fsync, called at ${entry.called}, says yes`;
    case 'event':
      return entry.what;
  }
}
