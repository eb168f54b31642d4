#!/usr/bin/env node
// `pinfold-top`: a live view of a cache in another process.
import { readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import colors from 'picocolors';
import type { Snapshot } from 'pinfold/top';
import { Connection, TopError } from './connection.ts';
import { intervalBetween } from './interval.ts';
import { linesOf } from './screen.ts';

const INTERVAL_MS = 1000;
const INTERVAL_MIN_MS = 50;
const INTERVAL_MAX_MS = 3_600_000;
const OTHER_SCREEN = '\x1b[?1049h\x1b[?25l';
const OWN_SCREEN = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const REST_OF_LINE = '\x1b[K';
const REST_OF_SCREEN = '\x1b[J';

interface Options {
  readonly interval: number;
  readonly once?: true;
  readonly json?: true;
  readonly stacks?: true;
}

function intervalOf(text: string): number {
  const ms = Number(text);
  if (text.trim() !== '' && ms >= INTERVAL_MIN_MS && ms <= INTERVAL_MAX_MS) return ms;
  throw new InvalidArgumentError(`It must be a number from ${INTERVAL_MIN_MS} to ${INTERVAL_MAX_MS}.`);
}

function command(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return new Command('pinfold-top')
    .description(
      'Shows a running cache: states of pages, who pins, rates, latencies. The program that has the cache serves them by\n' +
        "`serveTop(cache, 'PATH')` of 'pinfold/top'. Ctrl-C or q ends it.",
    )
    .argument('<path>', 'the socket that the program serves')
    .option('-i, --interval <ms>', 'how often to look', intervalOf, INTERVAL_MS)
    .option('-1, --once', 'print one snapshot and end')
    .option('--json', 'print snapshots as JSON, one a line')
    .option('--stacks', 'show the stacks that took pins, if the cache was created with `trace`')
    .addHelpText(
      'after',
      '\nWithout a terminal it prints one snapshot after the other. NO_COLOR=1 leaves colours out.',
    )
    .version(version)
    .exitOverride();
}

/** Resolves when the user wants to go, or after `ms`: true if he does. */
function pauseUntil(ms: number, leaving: AbortSignal): Promise<boolean> {
  if (leaving.aborted) return Promise.resolve(true);
  return new Promise((resolve) => {
    const end = (wanted: boolean) => {
      clearTimeout(timer);
      leaving.removeEventListener('abort', leave);
      resolve(wanted);
    };
    const leave = () => end(true);
    const timer = setTimeout(() => end(false), ms);
    leaving.addEventListener('abort', leave);
  });
}

async function watch(path: string, { interval, once, json, stacks }: Options): Promise<void> {
  const { stdout, stdin } = process;
  const live = stdout.isTTY === true && !once && !json;
  const leaving = new AbortController();
  const leave = () => leaving.abort();
  process.on('SIGINT', leave);
  process.on('SIGTERM', leave);
  stdout.on('error', leave); // who read it has gone
  const connection = await Connection.to(path);
  const keys = (key: Buffer) => {
    if (['q', '\x03'].includes(key.toString())) leave(); // Ctrl-C is a key in raw mode
  };
  if (live) {
    stdout.write(OTHER_SCREEN);
    if (stdin.isTTY) stdin.setRawMode(true).on('data', keys);
  }
  try {
    let before: Snapshot | undefined;
    do {
      const snapshot = await connection.snapshot();
      if (leaving.signal.aborted) return;
      if (json) stdout.write(`${JSON.stringify(snapshot)}\n`);
      else {
        const [width, height] = live ? [stdout.columns, stdout.rows] : [Infinity, Infinity];
        const since = before && intervalBetween(before, snapshot);
        const lines = linesOf(snapshot, since, { colors, width, height, stacks: stacks === true });
        if (live)
          stdout.write(`${HOME}${lines.map((line) => line + REST_OF_LINE).join('\r\n')}${REST_OF_SCREEN}`);
        else stdout.write(`${lines.join('\n')}\n${once ? '' : '\n'}`);
      }
      before = snapshot;
    } while (!once && !(await pauseUntil(interval, leaving.signal)));
  } finally {
    connection.close();
    if (live) {
      if (stdin.isTTY) stdin.off('data', keys).setRawMode(false).pause();
      stdout.write(OWN_SCREEN);
    }
  }
}

try {
  const program = command();
  program.parse();
  const [path] = program.args;
  await watch(path!, program.opts<Options>());
  process.exitCode = 0;
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (error instanceof TopError) {
    process.stderr.write(`pinfold-top: ${error.message}\n`);
    process.exitCode = 1;
  } else throw error;
}
