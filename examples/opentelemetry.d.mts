/** What is used of OpenTelemetry's `Tracer`. */
export interface Tracer {
  startSpan(
    name: string,
    options: { startTime: number },
  ): {
    setAttributes(attributes: Record<string, string | number | boolean>): unknown;
    recordException(error: unknown): unknown;
    setStatus(status: { code: number; message: string }): unknown;
    end(time: number): void;
  };
}

export function traceCache(tracer: Tracer): () => void;
