// The kernel's own fsync failure: after it Linux has marked the pages clean, and the retry says that all is well. A real
// ext4 on a device that breaks under the fsync shows it of plain Node code, in the same run in which Pinfold keeps all.
import fs from 'node:fs';
import { directObstacle } from '../../support/direct.ts';
import { root } from '../../support/root.ts';
import type { Context, Control, Outcome, Part, Violation } from '../part.ts';
import { type CaseReport, caseCount, digestOf, type Expected } from './cases.ts';
import { runLimited } from './program.ts';
import { inject, injections, MODES, straceObstacle } from './syscalls.ts';
import { obstacle, Volume } from './volume.ts';

const CHILD = `${root}test/proof/dist/ext4/child.js`;

interface Findings {
  readonly figures: [string, string][];
  readonly violations: Violation[];
  readonly controls: Control[];
  readonly skipped: string[];
}

const reasonOf = (error: unknown) => (error as Error).message.split('\n')[0]!;

/** The cases on a real ext4. */
async function onBrokenDevice(findings: Findings, log: Context['log']): Promise<void> {
  const why = obstacle();
  if (why) {
    findings.skipped.push(`a device that breaks under ext4: ${why}`);
    return;
  }
  let volume: Volume;
  try {
    volume = await Volume.make();
  } catch (error) {
    findings.skipped.push(`a device that breaks under ext4: ${reasonOf(error)}`);
    return;
  }
  try {
    await onVolume(volume, findings, log);
  } finally {
    const left = await volume.end();
    if (left.length > 0) log(`could not be taken down: ${left.join('; ')}`);
  }
}

async function onVolume(volume: Volume, findings: Findings, log: Context['log']): Promise<void> {
  log('an ext4 is mounted; its device breaks now and then');
  const { status, output } = await runLimited(process.execPath, [
    CHILD,
    'cases',
    volume.path,
    volume.breaker,
  ]);
  const violate = (what: string) => findings.violations.push({ what, replay: 'device' });
  if (status !== 0) {
    violate(`the process on the broken device ends with ${status}: ${output.slice(-500)}`);
    return;
  }
  const report = JSON.parse(output.trim().split('\n').pop()!) as CaseReport;
  const own = volume.ownErrors;
  if (own > 0) {
    findings.skipped.push(
      `a device that breaks under ext4: the file system met ${own} errors in its own records`,
    );
    return;
  }
  for (const what of report.wrong) violate(what);
  volume.remount();
  log('caches are dropped, it is mounted again');
  for (const expected of report.expected) check(expected, findings, violate);
  findings.figures.push(
    ['cases of a device that breaks under ext4, read from it afterwards', `${caseCount}`],
    ['EIO of the system, told by Pinfold', `${report.heard}`],
  );
}

function check(
  { case: name, path, digest, lost }: Expected,
  findings: Findings,
  violate: (what: string) => void,
): void {
  const kept = digestOf(fs.readFileSync(path)) === digest;
  if (lost) {
    const what = `${name}: an error, a retry that says yes, and the data is not on the disk`;
    findings.controls.push({ what, caught: !kept });
  } else if (!kept) violate(`${name}: the disk has not what an fsync that resolved had promised`);
}

/** Calls of the system that fail by strace. */
async function underStrace(findings: Findings, log: Context['log']): Promise<void> {
  const why = straceObstacle();
  if (why) {
    findings.skipped.push(`calls of the system that fail: ${why}`);
    return;
  }
  const none = directObstacle();
  if (none) findings.skipped.push(`calls for direct I/O that fail: ${none}`);
  const left = injections
    .filter(({ direct }) => !direct || !none)
    .flatMap((injection) => MODES.map((mode) => ({ injection, mode })));
  const total = left.length;
  const work = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      const { injection, mode } = next;
      const { call, errno, when, direct } = injection;
      const wrong = await inject(injection, mode, CHILD).catch(reasonOf);
      if (wrong)
        findings.violations.push({
          what: `${call} fails with ${errno} (${when}), ${mode}${direct ? ', direct' : ''}: ${wrong}`,
          replay: 'strace',
        });
    }
  };
  log(`${total} runs under strace`);
  await Promise.all([work(), work()]);
  findings.figures.push(['runs in which calls of the system failed, by strace', `${total}`]);
}

async function run({ log }: Context, what = ''): Promise<Outcome> {
  const findings: Findings = { figures: [], violations: [], controls: [], skipped: [] };
  if (what !== 'strace') await onBrokenDevice(findings, log);
  if (what !== 'device') await underStrace(findings, log);
  const { skipped, ...outcome } = findings;
  return skipped.length > 0 ? { ...outcome, skipped: skipped.join('; ') } : outcome;
}

export const ext4: Part = {
  name: 'ext4',
  summary:
    'a device breaks under a real ext4, and calls of the system fail: the disk has what fsync promised',
  weight: 1,
  run: (context) => run(context),
  replay: (what, context) => run(context, what),
};
