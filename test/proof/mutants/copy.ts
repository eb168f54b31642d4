// A copy of the project with mistakes planted in it, for checks that are test files: they run against a build.
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from '../../support/root.ts';
import { type Change, planted } from './mutant.ts';

const run = promisify(execFile);

const COPIED =
  'src test scripts build package.json tsconfig.json tsconfig.build.json tsup.config.ts vitest.config.ts';
const MINUTE = 60_000;

/** The library alone, without its declarations. */
const CONFIG = `
  import configs from './tsup.config';
  export default { ...(configs as object[])[0], dts: false, sourcemap: false };
`;

/** What vitest's JSON report says, as far as it is looked at. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

export interface Tested {
  readonly tests: number;
  /** The first test that failed, and what it said. */
  readonly failed?: string;
}

/** Runs a test file against a build with the changes. Throws if there is no build. */
export async function runTest(file: string, changes: readonly Change[]): Promise<Tested> {
  const directory = mkdtempSync(join(tmpdir(), 'pinfold-mutant-'));
  const node = (...args: string[]) =>
    run(process.execPath, args, { cwd: directory, timeout: 3 * MINUTE, maxBuffer: 2 ** 26 });
  try {
    for (const name of COPIED.split(' ')) {
      const filter = (path: string) => !/\/(dist|node_modules)(\/|$)/.test(path.slice(root.length));
      cpSync(root + name, join(directory, name), { recursive: true, filter });
    }
    symlinkSync(`${root}node_modules`, join(directory, 'node_modules'));
    for (const name of new Set(changes.map((change) => change.file))) {
      const path = join(directory, name);
      writeFileSync(path, planted(readFileSync(path, 'utf8'), name, changes));
    }
    await node('scripts/build-kernel.mjs');
    if (!file.startsWith('test/kernel/')) {
      writeFileSync(join(directory, 'tsup.mutant.ts'), CONFIG);
      await node('node_modules/tsup/dist/cli-default.js', '--config', 'tsup.mutant.ts');
    }
    const report = join(directory, 'report.json');
    // Its exit code says no more than the report, and without a report it has not run.
    const vitest = ['node_modules/vitest/vitest.mjs', 'run', file];
    await node(...vitest, '--reporter=json', `--outputFile=${report}`).catch(() => undefined);
    return outcome(JSON.parse(readFileSync(report, 'utf8')) as Report);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function outcome({ numPassedTests, numFailedTests, testResults }: Report): Tested {
  const tests = numPassedTests + numFailedTests;
  for (const { status, message, assertionResults } of testResults) {
    for (const { fullName, failureMessages, ...test } of assertionResults) {
      if (test.status !== 'failed') continue;
      return { tests, failed: `${fullName}: ${failureMessages[0]?.split('\n')[0]}` };
    }
    if (status === 'failed') return { tests, failed: message.split('\n')[0] ?? 'the file failed' };
  }
  if (tests === 0) throw new Error('no test has run');
  return { tests };
}
