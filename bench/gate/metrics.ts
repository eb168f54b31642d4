// What the gate measures of a build of the library, and how much worse each figure may be.
//
// The margins are wider than what gates of identical builds have shown (docs/perf-ci.md has the table, from `npm run gate:selftest`): tight
// where one thread works alone, wide where threads or the disk contend, and for tails.

export interface GateMetric {
  name: string;
  /** One line for `gate --list`. */
  what: string;
  unit: string;
  /** Which of the probe's loads measures it; one that measures two is run once for both. */
  load: string;
  /** How much more it may be, as a share. */
  margin: number;
  /**
   * Which quantile of a process's turns is its figure. What disturbs a single thread makes it slower, never faster, and so does the compiler's
   * bad luck: its low end is the code's own. Latencies are of the disk too, tails are of what disturbs.
   */
  quantile: number;
  /** Part of the default gate, which is the quick one. */
  quick: boolean;
}

export const GATE_METRICS: readonly GateMetric[] = [
  {
    name: 'view',
    what: 'viewSync of 8 bytes of a hot page',
    unit: 'ns',
    load: 'view',
    margin: 0.05,
    quantile: 0.05,
    quick: true,
  },
  {
    name: 'pin',
    what: 'pinSync + unpin of a hot page',
    unit: 'ns',
    load: 'pin',
    margin: 0.05,
    quantile: 0.05,
    quick: true,
  },
  {
    name: 'update',
    what: 'updateSync of 64 bytes',
    unit: 'ns',
    load: 'update',
    margin: 0.05,
    quantile: 0.05,
    quick: true,
  },
  {
    name: 'read',
    what: 'readSync of a cached 4 KiB: the copy',
    unit: 'ns',
    load: 'read',
    margin: 0.05,
    quantile: 0.05,
    quick: true,
  },
  {
    name: 'commit',
    what: 'writeSync + fsyncSync of a page',
    unit: 'µs',
    load: 'commit',
    margin: 0.1,
    quantile: 0.25,
    quick: true,
  },
  {
    name: 'commit p95',
    what: 'the same, 95th percentile',
    unit: 'µs',
    load: 'commit',
    margin: 0.3,
    quantile: 0.5,
    quick: false,
  },
  {
    name: 'miss',
    what: 'readSync of a page that is not cached (the system has it)',
    unit: 'µs',
    load: 'miss',
    margin: 0.08,
    quantile: 0.05,
    quick: false,
  },
  {
    name: 'group commit',
    what: 'a commit of 8 callers at once in one thread',
    unit: 'µs',
    load: 'group',
    margin: 0.15,
    quantile: 0.25,
    quick: false,
  },
  {
    name: 'stream',
    what: '4 MiB written through a cache of 1 MiB and made durable',
    unit: 'ms',
    load: 'stream',
    margin: 0.15,
    quantile: 0.25,
    quick: false,
  },
  {
    name: 'contended pin',
    what: 'pinSync + unpin of a page that another thread pins too',
    unit: 'ns',
    load: 'contended',
    margin: 0.25,
    quantile: 0.5,
    quick: false,
  },
  {
    name: 'mixed',
    what: 'views, updates, reads and fsyncs over a file four times the cache',
    unit: 'µs',
    load: 'mixed',
    margin: 0.1,
    quantile: 0.05,
    quick: false,
  },
];
