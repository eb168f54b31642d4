// The command that makes such a report again.
import { type BenchReport, HOLD_SHAPES, PIN_SOURCES } from '../../schema';

/** The scenario whose holds the command sets. */
const HOLDS_SCENARIO = 'fsync';

export function commandOf({ command }: BenchReport): string {
  const { scenarios, size, seconds, holdsMs, holdShapes, pinSources, threads, file, seed, trace } = command;
  const words = ['npx pinfold-bench run', `--scenario ${quoted(scenarios.join(','))}`];
  if (size === 'quick' || size === 'full') words.push(`--${size}`);
  if (size !== 'default') words.push(`--seconds ${seconds}`);
  if (scenarios.includes(HOLDS_SCENARIO)) {
    words.push(`--hold ${holdsMs.join(',')}`);
    // All of them are a sample by default; asked for by name they would be the whole matrix.
    if (holdShapes.length < HOLD_SHAPES.length || pinSources.length < PIN_SOURCES.length)
      words.push(`--hold-shape ${holdShapes.join(',')}`, `--pins ${pinSources.join(',')}`);
  }
  words.push(`--threads ${threads}`);
  words.push(`--seed ${seed}`);
  if (file !== null) words.push(`--file ${quoted(file)}`);
  if (trace !== null) words.push(`--trace ${quoted(trace)}`);
  return words.join(' ');
}

/** As a shell takes it for one word. */
function quoted(text: string): string {
  return /^[\w.,/:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
