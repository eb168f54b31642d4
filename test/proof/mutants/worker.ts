// A thread that hunts mutants, and puts the code as it is through the same checks.
import { parentPort } from 'node:worker_threads';
import { Build } from './build.ts';
import { put } from './checks.ts';
import { type Hunt, hunt } from './hunt.ts';
import { type Check, nameOf } from './mutant.ts';
import { mutants } from './table/index.ts';

export type Job =
  | {
      readonly kind: 'hunt';
      readonly name: string;
      readonly seconds: number;
      readonly avoid?: readonly string[];
    }
  | { readonly kind: 'control'; readonly check: Check; readonly seconds: number };

export interface ControlRun {
  readonly name: string;
  /** What the check says is wrong with code in which nothing was planted. */
  readonly wrong?: string;
  readonly tries: number;
  readonly complete: boolean;
}

export type Done = { readonly hunt?: Hunt; readonly control?: ControlRun; readonly error?: string };

const unchanged = new Build([]);

async function perform(job: Job): Promise<Done> {
  if (job.kind === 'hunt') {
    const mutant = mutants.find(({ name }) => name === job.name)!;
    return { hunt: await hunt(mutant, job.seconds, job.avoid) };
  }
  const outcome = await put(unchanged, job.check, performance.now() + job.seconds * 1000);
  return { control: { name: nameOf(job.check), ...outcome } };
}

const port = parentPort!;
port.on('message', async (job: Job) => {
  try {
    port.postMessage(await perform(job));
  } catch (error) {
    port.postMessage({
      error: `${job.kind === 'hunt' ? job.name : nameOf(job.check)}: ${(error as Error).stack}`,
    });
  }
});
