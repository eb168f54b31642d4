// What is going on, on stderr: one line that repaints itself on a terminal, one line a step anywhere else.
import ora, { type Ora } from 'ora';
import pc from 'picocolors';

/** Each repaint takes time from what is measured. */
const REPAINT_MS = 250;
const FRAMES = ['◐', '◓', '◑', '◒'];

export class Progress {
  readonly #startMs = Date.now();
  readonly #plannedSeconds: number;
  readonly #line: Ora;
  #detail: () => string = () => '';

  constructor(plannedSeconds: number) {
    this.#plannedSeconds = plannedSeconds;
    this.#line = ora({
      spinner: { frames: FRAMES, interval: REPAINT_MS },
      color: pc.isColorSupported ? 'cyan' : false,
      prefixText: () => this.#clock(),
      suffixText: () => this.#detail(),
      // Ctrl-C is the run's own to hear.
      discardStdin: false,
      // A terminal that does not know its width (some containers' is 0) has lines without end for ora.
      ...(process.stderr.columns === 0 ? { isEnabled: false } : {}),
    });
  }

  /** Starts a step; `detail` is asked again at every repaint. */
  begin(step: string, detail: () => string = () => ''): void {
    this.#detail = () => {
      const text = detail();
      return text && `· ${text}`;
    };
    if (this.#line.isSpinning) this.#line.text = step;
    else this.#line.start(step);
  }

  /** Clears the line, so that something else can be printed; until the next step nothing is shown. */
  pause(): void {
    if (this.#line.isSpinning) this.#line.stop();
  }

  #clock(): string {
    const seconds = Math.round((Date.now() - this.#startMs) / 1000);
    return `[${String(seconds).padStart(3)} of ${Math.round(this.#plannedSeconds)} s]`;
  }
}
