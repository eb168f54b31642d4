// The examples that show a cache to other programs.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { traceCache } from '../examples/opentelemetry.mjs';
import { metricsOf } from '../examples/prometheus.mjs';
import { SMALL, startWithFile } from './support/cache.ts';
import { fileOf } from './support/directory.ts';
import { ioRefusal } from './support/refusal.ts';
import { root } from './support/root.ts';
import { until } from './support/until.ts';

const LIMIT_MS = 30_000;
const EIO = 5;

/** Samples of Prometheus' text format by name and labels; throws if a line is not of it. */
function parse(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  expect(text.endsWith('\n')).toBe(true);
  for (const line of text.slice(0, -1).split('\n')) {
    const type = /^# TYPE ([a-z_:][a-z0-9_:]*) (gauge|counter|histogram)$/.exec(line);
    if (type) {
      expect(types.has(type[1]!)).toBe(false);
      types.set(type[1]!, type[2]!);
      continue;
    }
    if (/^# HELP [a-z_:][a-z0-9_:]* .+$/.test(line)) continue;
    const sample = /^([a-z_:][a-z0-9_:]*)(\{le="[^"]+"\})? (\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.exec(line);
    if (!sample) throw new Error(`no sample: ${line}`);
    const [, name, labels = '', value] = sample;
    expect(types.has(name!) || types.has(name!.replace(/_(bucket|sum|count)$/, ''))).toBe(true);
    expect(samples.has(name! + labels)).toBe(false);
    samples.set(name! + labels, Number(value));
  }
  return samples;
}

test('prometheus.mjs: every gauge, counter and histogram of stats(), in the text format', async () => {
  const { cache, file } = await startWithFile(8, SMALL);
  for (let n = 0; n < 6; n++) {
    file.writeSync(Uint8Array.of(n), n * 4096);
    await file.fsync();
  }
  const { timings, ...counts } = cache.stats();
  const samples = parse(metricsOf(cache.stats()));
  for (const [key, value] of Object.entries(counts)) {
    const name = `pinfold_${key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;
    expect([samples.get(name), samples.get(`${name}_total`)]).toContain(value);
  }
  for (const [key, { count, sumMs }] of Object.entries(timings)) {
    const name = `pinfold_${key}_duration_seconds`;
    const buckets = [...samples].filter(([sample]) => sample.startsWith(`${name}_bucket`));
    expect(buckets.length).toBeGreaterThan(5);
    expect(buckets.at(-1)).toEqual([`${name}_bucket{le="+Inf"}`, count]);
    for (let n = 1; n < buckets.length; n++)
      expect(buckets[n]![1]).toBeGreaterThanOrEqual(buckets[n - 1]![1]);
    expect(samples.get(`${name}_count`)).toBe(count);
    expect(samples.get(`${name}_sum`)).toBeCloseTo(sumMs / 1000, 9);
  }
  expect(samples.get('pinfold_fsync_duration_seconds_count')).toBe(6);
  expect(samples.get('pinfold_fsync_duration_seconds_bucket{le="10"}')).toBeGreaterThan(0);
});

test('prometheus.mjs serves them, and ends at a signal', { timeout: LIMIT_MS }, async () => {
  const program = spawn(process.execPath, [join(root, 'examples/prometheus.mjs'), fileOf(10)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(program, 'exit');
  try {
    const [line] = (await once(program.stdout, 'data')) as [Buffer];
    const url = line.toString().trim();
    let fsyncs = 0;
    const scrape = async () => {
      const response = await fetch(url);
      expect(response.headers.get('content-type')).toMatch('text/plain; version=0.0.4');
      fsyncs = parse(await response.text()).get('pinfold_fsyncs_total')!;
    };
    const end = performance.now() + LIMIT_MS / 2;
    while (fsyncs === 0 && performance.now() < end) await scrape();
    expect(fsyncs).toBeGreaterThan(0);
    expect((await fetch(new URL('/', url))).status).toBe(404);
    program.kill('SIGINT');
    expect(await ended).toEqual([0, null]);
  } finally {
    program.kill('SIGKILL');
  }
});

interface Span {
  readonly name: string;
  readonly startTime: number;
  attributes: Record<string, unknown>;
  status?: { code: number; message: string };
  exception?: unknown;
  endTime?: number;
}

/** A tracer with what the example uses of OpenTelemetry's. */
function recorder() {
  const spans: Span[] = [];
  const startSpan = (name: string, { startTime }: { startTime: number }) => {
    const span: Span = { name, startTime, attributes: {} };
    spans.push(span);
    return {
      setAttributes: (attributes: Record<string, unknown>) => Object.assign(span.attributes, attributes),
      recordException: (error: unknown) => {
        span.exception = error;
      },
      setStatus: (status: { code: number; message: string }) => {
        span.status = status;
      },
      end: (time: number) => {
        span.endTime = time;
      },
    };
  };
  return { spans, tracer: { startSpan } };
}

test('opentelemetry.mjs: spans of calls in place, of promises, of service threads, and of failures', async () => {
  const { spans, tracer } = recorder();
  const stop = traceCache(tracer);
  const { file, path, fail, heal } = await startWithFile(8, SMALL);
  file.viewSync(3, () => 0);
  file.writeSync(Uint8Array.of(1), 0);
  await file.fsync();
  await until('the flusher’s spans have come', () =>
    spans.some(
      ({ name, attributes }) => name === 'pinfold.writeback' && attributes['pinfold.operation'] === 'flush',
    ),
  );
  const fsync = spans.find(({ name }) => name === 'pinfold.fsync')!;
  expect(fsync.attributes).toMatchObject({
    'pinfold.file': path,
    'pinfold.policy': 'bounce',
    'pinfold.pages': 1,
  });
  expect(spans.map(({ name }) => name)).toContain('pinfold.fill');
  for (const { startTime, endTime } of spans) expect(endTime).toBeGreaterThanOrEqual(startTime);
  fail({ call: 'flush', errno: EIO });
  file.writeSync(Uint8Array.of(2), 0);
  expect(() => file.fsyncSync()).toThrow(ioRefusal('EIO'));
  heal();
  const failed = spans.filter(({ name }) => name === 'pinfold.fsync').at(-1)!;
  expect(failed.exception).toEqual(ioRefusal('EIO'));
  expect(failed.status?.code).toBe(2);
  stop();
  const before = spans.length;
  await file.fsync();
  expect(spans).toHaveLength(before);
});
