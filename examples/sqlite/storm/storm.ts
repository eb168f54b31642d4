import fs from 'node:fs';
import { join } from 'node:path';
import type { Control } from './controls.ts';
import { kills } from './kills.ts';
import { terminations } from './terminations.ts';

export interface StormOptions {
  readonly directory: string;
  readonly terminations: number;
  readonly kills: number;
  readonly control: Control | undefined;
}

/** Prints what was done and found. True if nothing was wrong. */
export async function storm(options: StormOptions): Promise<boolean> {
  const { directory, control } = options;
  fs.mkdirSync(directory, { recursive: true });
  const say = (line: string) => console.log(line);
  const problems: string[] = [];
  if (options.terminations > 0) {
    const path = join(directory, 'terminations.db');
    const report = await terminations({ path, terminations: options.terminations, control, say });
    const { deaths } = report;
    const held = Object.entries(deaths).map(
      ([level, n]) => `${n} ${level === 'none' ? 'nothing' : level.toUpperCase()}`,
    );
    say(`Threads: ${report.terminated} terminated. Those that had connected held: ${held.join(', ')}.`);
    say(`  ${report.rollbacks} journals rolled back, ${report.acknowledged} transactions acknowledged,`);
    say(
      `  ${report.audits} audits (integrity_check, every acknowledged transaction): ${verdict(report.problems)}.`,
    );
    problems.push(...report.problems);
  }
  if (options.kills > 0) {
    const path = join(directory, 'kills.db');
    const report = await kills({ path, kills: options.kills, control, say });
    say(
      `Processes: ${report.killed} killed by SIGKILL. ${report.journals} left a journal that was rolled back,`,
    );
    say(
      `  ${report.acknowledged} transactions acknowledged, an audit after each kill: ${verdict(report.problems)}.`,
    );
    problems.push(...report.problems);
  }
  for (const problem of problems) say(`  - ${problem}`);
  return problems.length === 0;
}

const verdict = (problems: string[]) => (problems.length === 0 ? 'ok' : `${problems.length} PROBLEMS`);
