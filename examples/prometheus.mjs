// Metrics of a cache in Prometheus' text format (version 0.0.4).
//
//   import { metricsOf } from './prometheus.mjs';
//   response.setHeader('content-type', 'text/plain; version=0.0.4').end(metricsOf(cache.stats()));
//
// By itself, `node examples/prometheus.mjs FILE`: serves those of a cache of the file at /metrics, until Ctrl-C.
import http from 'node:http';
import { pathToFileURL } from 'node:url';
import { PageCache } from 'pinfold';

const GAUGES = {
  frames: 'Frames in the pool; each holds one page.',
  resident: 'Frames that hold a page.',
  dirty: 'Pages newer than the store.',
  pinnedDirty: 'Of those: write-pinned.',
  writeback: 'Pages being written to the store now.',
  unstable: 'Pages written, not yet covered by a successful flush.',
  readPins: 'Live read pins.',
  writePins: 'Live write pins.',
  owners: 'Attached threads, service threads included.',
};
const COUNTERS = {
  hits: 'Lookups that found their page.',
  misses: 'Lookups that did not.',
  fills: 'Pages brought in.',
  readahead: 'Of the fills: ahead of need.',
  reclaims: 'Frames taken from other pages.',
  dirtied: 'Times that a clean page became dirty.',
  bounced: 'Pages written from a copy while they were write-pinned.',
  skippedPinned: 'Times that a flusher came to a write-pinned page in vain.',
  writtenPages: 'Pages written.',
  flushes: 'Flushes (fdatasync).',
  fsyncs: 'Calls of fsync that ended well.',
  throttles: 'Times that a writer had to clean pages itself.',
  orphans: 'Pinned frames cut off by truncate.',
  errors: 'Failed writes and flushes.',
};
const DURATIONS = {
  fsync: 'How long calls of fsync took.',
  flush: 'How long flushes (fdatasync) took.',
  fill: 'How long calls waited for pages to be brought in.',
  throttle: 'How long writers were held up.',
};
/** Upper bounds of the buckets that are exported, in seconds: the cache's own are finer, and new ones would come and go. */
const BOUNDS = [
  1e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** 'pinnedDirty' → 'pinfold_pinned_dirty' */
const nameOf = (key) => `pinfold_${key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;

/** `stats`: what `cache.stats()` returned, in whichever thread. */
export function metricsOf(stats) {
  const lines = [];
  const family = (name, type, help) => lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  for (const [key, help] of Object.entries(GAUGES)) {
    family(nameOf(key), 'gauge', help);
    lines.push(`${nameOf(key)} ${stats[key]}`);
  }
  for (const [key, help] of Object.entries(COUNTERS)) {
    const name = `${nameOf(key)}_total`;
    family(name, 'counter', help);
    lines.push(`${name} ${stats[key]}`);
  }
  for (const [key, help] of Object.entries(DURATIONS)) {
    const name = `${nameOf(key)}_duration_seconds`;
    const { count, sumMs, buckets } = stats.timings[key];
    family(name, 'histogram', help);
    for (const bound of BOUNDS) {
      // A bucket that reaches beyond the bound counts for the next one: nothing is told shorter than it was.
      const below = buckets.reduce((sum, [belowMs, n]) => sum + (belowMs <= bound * 1000 ? n : 0), 0);
      lines.push(`${name}_bucket{le="${bound}"} ${below}`);
    }
    lines.push(`${name}_bucket{le="+Inf"} ${count}`, `${name}_sum ${sumMs / 1000}`, `${name}_count ${count}`);
  }
  return `${lines.join('\n')}\n`;
}

async function main([path]) {
  if (path === undefined) {
    console.error('usage: node examples/prometheus.mjs FILE');
    process.exitCode = 2;
    return;
  }
  const cache = await PageCache.create();
  const file = await cache.open(path, { create: true });
  const server = http.createServer((request, response) => {
    if (request.url !== '/metrics') response.writeHead(404).end();
    else
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(metricsOf(cache.stats()));
  });
  server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
    console.log(`http://127.0.0.1:${server.address().port}/metrics`);
  });
  const work = setInterval(async () => {
    await file.write(Buffer.from(`${Date.now()}`), 0);
    await file.fsync();
  }, 100);
  const end = () => {
    clearInterval(work);
    server.close();
    server.closeAllConnections();
    cache.close().catch((error) => {
      console.error(error);
      process.exitCode = 1;
    });
  };
  process.once('SIGINT', end).once('SIGTERM', end);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(process.argv.slice(2));
