// What is going on, on stderr: one line that repaints itself on a terminal, one line a step anywhere else.

const REPAINT_MS = 250;
const CLEAR_LINE = '\r\x1b[2K';

export class Progress {
  readonly #startMs = Date.now();
  readonly #plannedSeconds: number;
  readonly #out: NodeJS.WriteStream;
  readonly #timer: NodeJS.Timeout | undefined;
  #step = '';
  #detail: () => string = () => '';

  constructor(plannedSeconds: number, out: NodeJS.WriteStream = process.stderr) {
    this.#plannedSeconds = plannedSeconds;
    this.#out = out;
    this.#timer = out.isTTY ? setInterval(() => this.#paint(), REPAINT_MS) : undefined;
    this.#timer?.unref();
  }

  /** Starts a step; `detail` is asked again at every repaint. */
  begin(step: string, detail: () => string = () => ''): void {
    this.#step = step;
    this.#detail = detail;
    if (this.#timer) this.#paint();
    else this.#out.write(`${this.#clock()} ${step}\n`);
  }

  /** Clears the line, so that something else can be printed. */
  pause(): void {
    this.#step = '';
    if (this.#timer) this.#out.write(CLEAR_LINE);
  }

  end(): void {
    clearInterval(this.#timer);
    this.pause();
  }

  #clock(): string {
    const seconds = Math.round((Date.now() - this.#startMs) / 1000);
    return `[${String(seconds).padStart(3)} of ${Math.round(this.#plannedSeconds)} s]`;
  }

  #paint(): void {
    if (this.#step === '') return;
    const detail = this.#detail();
    const line = `${this.#clock()} ${this.#step}${detail && ` · ${detail}`}`;
    this.#out.write(CLEAR_LINE + line.slice(0, Math.max(20, (this.#out.columns || 80) - 1)));
  }
}
