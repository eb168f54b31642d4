// Spans of a cache by OpenTelemetry: what its channels tell, as spans under whatever is active when they begin.
//
//   import { trace } from '@opentelemetry/api';
//   import { traceCache } from './opentelemetry.mjs';
//   const stop = traceCache(trace.getTracer('pinfold'));
//
// Call it in each thread that uses the cache, before `create` in the creator: channels are a thread's own.
import diagnostics from 'node:diagnostics_channel';

const NAMES = ['fsync', 'fill', 'writeback', 'reclaim'];
/** OpenTelemetry's SpanStatusCode.ERROR. */
const ERROR = 2;

/** The attributes of a span: what an event tells but times, and what is no plain value. */
function attributesOf(event) {
  const attributes = {};
  for (const [key, value] of Object.entries({ ...event, ...event.result })) {
    if (key === 'startTime' || key === 'durationMs') continue;
    if (['string', 'number', 'boolean'].includes(typeof value)) attributes[`pinfold.${key}`] = value;
  }
  return attributes;
}

/** Starts spans with a tracer; what it returns ends that. */
export function traceCache(tracer) {
  const unsubscribes = NAMES.map((name) => {
    const channel = diagnostics.tracingChannel(`pinfold:${name}`);
    const spans = new WeakMap();
    const finish = (event) => {
      const span = spans.get(event);
      if (span === undefined) return;
      spans.delete(event);
      span.setAttributes(attributesOf(event));
      if (event.error !== undefined) {
        span.recordException(event.error);
        span.setStatus({ code: ERROR, message: event.error.message });
      }
      // Events of service threads come when all is over: the times are in them.
      span.end(event.startTime + event.durationMs);
    };
    const handlers = {
      start: (event) => spans.set(event, tracer.startSpan(`pinfold.${name}`, { startTime: event.startTime })),
      // A call in place has its duration now; one that returns a promise when that is settled.
      end: (event) => {
        if (event.durationMs !== undefined) finish(event);
      },
      asyncStart: () => {},
      asyncEnd: finish,
      error: () => {},
    };
    channel.subscribe(handlers);
    return () => channel.unsubscribe(handlers);
  });
  return () => {
    for (const unsubscribe of unsubscribes) unsubscribe();
  };
}
