// fsync's caller holds a journal's mutex that the pinner needs before it unpins: waiting for the pin cannot end, bouncing need not wait.
import { createHistogram } from 'node:perf_hooks';
import { isStopped } from '../clock';
import { latencyOf } from '../histogram';
import { type Run, together, withCache, withCrew } from '../run';
import type { DeadlockCell } from '../schema';
import { JOURNAL_WORDS, type JournalCallerResult, type JournalPinnerResult } from '../tasks';

/** How long a blocked fsync waits before it gives up, ms. */
const BLOCK_TIMEOUT_MS = 500;
/** The same for bounce, which must never wait, ms: long, so that a slow disk is not taken for a broken promise. */
const BOUNCE_TIMEOUT_MS = 5_000;
const BOUNCE_ROUNDS_MAX = 200;
const GRACE_MS = 20_000;

export async function deadlock(run: Run, durationMs: number): Promise<void> {
  const blockRounds = Math.max(1, Math.min(4, Math.floor((durationMs * 0.7) / BLOCK_TIMEOUT_MS)));
  const bounceRounds = Math.max(10, Math.min(BOUNCE_ROUNDS_MAX, Math.floor(durationMs / 10)));
  await withCrew(2, (crew) =>
    withCache({ memory: 4 << 20, flushers: 1 }, async ({ handle }) => {
      const cell = async (
        policy: DeadlockCell['policy'],
        rounds: number,
        timeoutMs: number,
      ): Promise<void> => {
        if (isStopped(run.stop)) return;
        run.progress.begin(`deadlock · ${policy}`);
        const task = {
          handle,
          stop: run.stop,
          journal: new Int32Array(new SharedArrayBuffer(JOURNAL_WORDS * 4)),
          dataPath: run.files.paths.data,
          sourcePath: run.files.paths.source,
          policy,
          rounds,
          timeoutMs,
          firstSequence: run.nextSequence,
        };
        run.nextSequence += rounds;
        const deadlineMs = rounds * timeoutMs + GRACE_MS;
        const [called, pinned] = await together<[JournalCallerResult, JournalPinnerResult]>(run, [
          crew.play('journalCaller', task, deadlineMs),
          crew.play('journalPinner', task, deadlineMs),
        ]);
        run.report.deadlock.push(figures(policy, timeoutMs, called, pinned));
      };
      await cell('block', blockRounds, BLOCK_TIMEOUT_MS);
      await cell('bounce', bounceRounds, BOUNCE_TIMEOUT_MS);
    }),
  );
}

/** Promises broken in the deadlock, and a deadlock that is none. */
export function deadlockFailures(cells: DeadlockCell[]): string[] {
  const failures: string[] = [];
  for (const { policy, rounds, stuck, through, lies, namesHolder } of cells) {
    if (lies > 0) failures.push(`fsync lied ${lies} times in the deadlock under ${policy}`);
    if (policy === 'bounce' && stuck > 0)
      failures.push(`bounce was stuck in ${stuck} of ${rounds} deadlocks`);
    if (policy === 'block' && through > 0)
      failures.push(`block went through ${through} of ${rounds} deadlocks`);
    if (namesHolder === false)
      failures.push("the blocked fsync's error does not name the thread that holds the pin");
  }
  return failures;
}

function figures(
  policy: DeadlockCell['policy'],
  timeoutMs: number,
  { latenciesNs, stuck, messages, lies }: JournalCallerResult,
  { threadId }: JournalPinnerResult,
): DeadlockCell {
  const histogram = createHistogram();
  for (const ns of latenciesNs) histogram.record(Math.max(1, Math.round(ns)));
  const message = messages[0] ?? null;
  return {
    policy,
    rounds: latenciesNs.length,
    through: latenciesNs.length - stuck,
    stuck,
    timeoutMs,
    latency: latencyOf(histogram),
    message,
    namesHolder: message === null ? null : new RegExp(`\\b${threadId}\\b`).test(message),
    lies,
  };
}
