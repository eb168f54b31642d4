import fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SCAN_ARMS } from '../../bench/roles/coldscan/task.ts';
import { CHURN_ARMS } from '../../bench/scenarios/churn/shape.ts';
import { HOT_OPERATIONS } from '../../bench/scenarios/hot-page/shape.ts';
import { MODES } from '../../bench/scenarios/keep-or-redirty/shape.ts';
import { type FsyncPolicy, MIXED_ROLES, type MixedArm, type MixedCell } from '../../bench/schema.ts';
import { REPORTS, reportIn, runBench, startBench } from '../support/bench.ts';
import { testDirectory } from '../support/directory.ts';
import { until } from '../support/until.ts';

describe('what it tells of itself', () => {
  test('run --help names every option and the exit codes, and runs nothing', async () => {
    const directory = testDirectory();
    const { status, stdout } = await runBench(directory, 'run', '--help');
    expect(status).toBe(0);
    for (const option of [
      'scenario',
      'seconds',
      'quick',
      'full',
      'hold',
      'hold-shape',
      'pins',
      'threads',
      'file',
      'force',
      'json',
      'html',
      'seed',
      'trace',
    ]) {
      expect(stdout).toContain(`--${option}`);
    }
    expect(stdout).toContain('Exit code');
    expect(fs.readdirSync(directory)).toEqual([]);
  });

  test('list names the scenarios', async () => {
    const { status, stdout } = await runBench(testDirectory(), 'list');
    expect(status).toBe(0);
    const names = stdout
      .split('\n\n')[0]
      .split('\n')
      .map((line) => line.split(' ')[0]);
    const expected =
      'fsync deadlock mixed group-commit hot-page churn micro memory keep-or-redirty stable pressure coldscan replacement peers';
    expect(names).toEqual(expected.split(' '));
    expect(stdout).toContain(
      'without --scenario has fsync, deadlock, mixed, group-commit, hot-page, churn, micro;',
    );
  });
});

describe('bad options end with code 2, name the option and create nothing', () => {
  test.each([
    [['--nonsense'], '--nonsense'],
    [['stray'], 'stray'],
    [['--scenario', 'fsync,nope'], 'nope'],
    [['--seconds', 'soon'], '--seconds'],
    [['--seconds', '0'], '--seconds'],
    [['--hold', '-1'], '--hold'],
    [['--hold', '1,,2'], '--hold'],
    [['--hold-shape', 'round'], "'round'"],
    [['--pins', 'file,tape'], "'tape'"],
    [['--threads', '0'], "'0'"],
    [['--threads', '65'], "'65'"],
    [['--threads', '1.5'], "'1.5'"],
    [['--quick', '--full'], '--full'],
    [['--file', ''], '--file'],
    [['--file', 'no/such/directory/data'], 'no/such/directory'],
    [['--file', '.'], 'not a regular file'],
  ])('%j', async (args, named) => {
    const directory = testDirectory();
    const { status, stdout, stderr } = await runBench(directory, ...args);
    expect(status).toBe(2);
    expect(stderr).toContain(named);
    expect(stderr).not.toContain('    at '); // no stack
    expect(stdout).toBe('');
    expect(fs.readdirSync(directory)).toEqual([]);
  });
});

describe('files that exist', () => {
  test.each([
    ['the data file', '--file'],
    ['a --json file that is no report', '--json'],
    ['a --html file that is no report', '--html'],
  ])('%s is refused and stays as it is', async (_, option) => {
    const directory = testDirectory();
    const file = join(directory, 'mine');
    fs.writeFileSync(file, 'precious');
    const { status, stderr } = await runBench(directory, option, file);
    expect(status).toBe(2);
    expect(stderr).toContain('--force');
    expect(fs.readFileSync(file, 'utf8')).toBe('precious');
    expect(fs.readdirSync(directory)).toEqual(['mine']);
  });

  test('--force overwrites a data file, and leaves it there', async () => {
    const directory = testDirectory();
    const file = join(directory, 'mine');
    fs.writeFileSync(file, 'precious');
    const { status } = await runBench(
      directory,
      '--scenario',
      'deadlock',
      '--seconds',
      '1',
      '--file',
      file,
      '--force',
    );
    expect(status).toBe(0);
    expect(fs.readFileSync(file, 'latin1').startsWith('precious')).toBe(false);
    expect(fs.readdirSync(directory).sort()).toEqual([...REPORTS, 'mine']);
  });
});

describe('a run', () => {
  test('shows truth under bounce and block, lies under the control, and the deadlock', async () => {
    const directory = testDirectory();
    const args = ['--scenario', 'fsync,deadlock', '--hold', '5', '--seconds', '6', '--json', 'out.json'];
    const { status, stdout, stderr } = await runBench(directory, ...args);
    expect(status, stdout + stderr).toBe(0);
    expect(stderr).toContain('fsync · bounce, keep · hold 5 ms');
    expect(stdout).toContain('Every promise that was tested held.');
    expect(fs.readdirSync(directory)).toEqual(['out.html', 'out.json']); // its files are gone

    const report = reportIn(directory, 'out.json');
    expect(report.failures).toEqual([]);
    expect(report.interrupted).toBe(false);
    const usual = report.fsync.filter(
      ({ holdShape, pinSource }) => holdShape === 'fixed' && pinSource === 'file',
    );
    expect(usual.map(({ policy, pinnedDirty }) => [policy, pinnedDirty])).toEqual([
      ['bare', 'keep'],
      ['skip', 'keep'],
      ['block', 'keep'],
      ['bounce', 'keep'],
      ['bounce', 'redirty'],
    ]);
    const lies = (policy: FsyncPolicy) =>
      report.fsync.filter((cell) => cell.policy === policy).reduce((sum, { truth }) => sum + truth.lies, 0);
    expect([lies('bounce'), lies('block')]).toEqual([0, 0]);
    expect(lies('skip')).toBeGreaterThan(0);
    for (const { truth, pins, pinSource } of report.fsync) {
      expect(truth.checked).toBeGreaterThan(0);
      expect(truth.recordsTorn).toBe(0);
      if (pinSource === 'store') expect(pins.words).toBeGreaterThan(0);
      else expect(pins.dmaBytes).toBeGreaterThan(0);
    }
    // Of other shapes and sources there is a sample.
    const others = report.fsync.filter((cell) => !usual.includes(cell));
    expect(others.map(({ policy, holdShape, pinSource }) => [policy, holdShape, pinSource])).toEqual([
      ['bounce', 'exponential', 'file'],
      ['bounce', 'heavy', 'file'],
      ['bounce', 'fixed', 'socket'],
      ['skip', 'fixed', 'socket'],
      ['bounce', 'fixed', 'store'],
    ]);
    const bounced = report.fsync
      .filter(({ policy }) => policy === 'bounce')
      .map(({ arms }) => arms.pinned.bouncedPerFsync);
    expect(bounced.some((pages) => pages !== null && pages > 0)).toBe(true);
    const [block, bounce] = report.deadlock;
    expect(block).toMatchObject({ policy: 'block', through: 0, namesHolder: true, lies: 0 });
    expect(block.stuck).toBe(block.rounds);
    expect(bounce).toMatchObject({ policy: 'bounce', stuck: 0, lies: 0 });
  });

  test('shows no half update in a mixed load, halves and lies under its controls', async () => {
    const directory = testDirectory();
    const { status, stdout, stderr } = await runBench(directory, '--scenario', 'mixed', '--seconds', '1');
    expect(status, stdout + stderr).toBe(0);
    expect(stdout).toContain('half updates');
    expect(fs.readdirSync(directory)).toEqual(REPORTS);

    const { mixed, failures } = reportIn(directory);
    expect(failures).toEqual([]);
    const cells = (arm: MixedArm) => mixed.filter((cell) => cell.arm === arm);
    expect(cells('updates').map(({ pinnedDirty }) => pinnedDirty)).toEqual(['keep', 'redirty']);
    for (const { truth } of cells('updates')) {
      expect(truth).toMatchObject({ halvesInViews: 0, viewsOlder: 0, halvesInFile: 0, lies: 0 });
    }
    const seen = (arm: MixedArm, figure: keyof MixedCell['truth']) =>
      cells(arm).reduce((sum, { truth }) => sum + truth[figure], 0);
    expect(seen('stores', 'halvesInViews')).toBeGreaterThan(0);
    expect(seen('stores', 'halvesInFile')).toBeGreaterThan(0);
    expect(seen('skip', 'lies')).toBeGreaterThan(0);
    for (const { roles, truth, pages, frames, hitRatio } of mixed) {
      expect(frames).toBeLessThan(pages);
      expect(hitRatio).toBeGreaterThan(0.3);
      expect(hitRatio).toBeLessThan(1);
      for (const role of MIXED_ROLES) {
        expect(roles[role].latency.count).toBeGreaterThan(0);
        expect(roles[role].perSecond).toBeGreaterThan(0);
      }
      expect(truth.viewsChecked).toBe(roles.view.latency.count);
      expect(truth.fsyncsChecked).toBe(roles.fsync.latency.count);
    }
  });

  test('finds what a socket received in the file, and holds of other shapes', async () => {
    const directory = testDirectory();
    const args = ['--scenario', 'fsync', '--hold', '0,4', '--hold-shape', 'heavy', '--pins', 'socket'];
    const { status, stdout, stderr } = await runBench(directory, ...args, '--seconds', '6');
    expect(status, stdout + stderr).toBe(0);
    const { fsync, command } = reportIn(directory);
    expect(command).toMatchObject({ holdShapes: ['heavy'], pinSources: ['socket'] });
    // Without a hold there is nothing to draw.
    expect(fsync.map(({ holdMs, holdShape }) => [holdMs, holdShape])).toEqual(
      Array.from({ length: 5 }, () => [4, 'heavy']),
    );
    for (const { policy, pinSource, truth, pins } of fsync) {
      expect(pinSource).toBe('socket');
      expect(pins.dmaBytes).toBeGreaterThan(0);
      if (policy === 'skip') expect(truth.receivedOlder).toBeGreaterThan(0);
      else expect(truth.receivedOlder).toBe(0);
    }
  });

  test('shows commits that share flushes, each of them in the file, and lies under the control', async () => {
    const directory = testDirectory();
    const args = ['--scenario', 'group-commit', '--threads', '2', '--seconds', '3'];
    const { status, stdout, stderr } = await runBench(directory, ...args);
    expect(status, stdout + stderr).toBe(0);
    expect(fs.readdirSync(directory)).toEqual(REPORTS);
    const found = reportIn(directory).groupCommit!;
    expect(found.cells.map(({ threads, callers }) => [threads, callers])).toEqual([
      ...[1, 2, 4, 8, 16, 32, 64].map((callers) => [1, callers]),
      ...[8, 64].map((callers) => [2, callers]),
    ]);
    for (const { truth, latency, callers } of found.cells) {
      expect(truth.checked).toBeGreaterThanOrEqual(callers);
      expect(truth.lies).toBe(0);
      expect(latency.count).toBeGreaterThan(0);
    }
    expect(found.rounds).toBeGreaterThan(0);
    expect(found.floor.latency.count).toBeGreaterThan(0);
    expect(found.skip.lies).toBeGreaterThan(0);
    const flushes = (n: number) => found.cells.find(({ callers }) => callers === n)!.flushesPerCommit!;
    expect(flushes(64)).toBeLessThan(flushes(1));
  });

  test('shows one page under several threads, views whole beside updates, and halves under the control', async () => {
    const directory = testDirectory();
    const args = ['--scenario', 'hot-page', '--threads', '2', '--seconds', '3'];
    const { status, stdout, stderr } = await runBench(directory, ...args);
    expect(status, stdout + stderr).toBe(0);
    expect(fs.readdirSync(directory)).toEqual(REPORTS);
    const { cells, updates, stores } = reportIn(directory).hotPage!;
    expect(cells.map(({ operation, threads }) => [operation, threads])).toEqual(
      HOT_OPERATIONS.flatMap((operation) => [1, 2].map((threads) => [operation, threads])),
    );
    // On a busy machine a thread may have no core in a whole window.
    for (const operation of HOT_OPERATIONS)
      expect(cells.some((cell) => cell.operation === operation && cell.millionsPerSecond > 0)).toBe(true);
    expect(updates).toMatchObject({ torn: 0, older: 0 });
    expect(Math.min(updates.changes, updates.views)).toBeGreaterThan(0);
    expect(stores.torn).toBeGreaterThan(0);
  });

  test('has workers come and go, keeps what it promised them, and has nothing left of them', async () => {
    const directory = testDirectory();
    const { status, stdout, stderr } = await runBench(directory, '--scenario', 'churn', '--seconds', '5');
    expect(status, stdout + stderr).toBe(0);
    expect(fs.readdirSync(directory)).toEqual(REPORTS);
    const { workers, steady, steadyTruth, workersTruth, left, skip, leaks } = reportIn(directory).churn!;
    expect(workers.terminated).toBeGreaterThan(0);
    expect(workers.ended).toBeGreaterThan(0);
    expect(workers.firstHit.count).toBe(workers.started);
    for (const truth of [steadyTruth, workersTruth, left]) {
      expect(truth.checked).toBeGreaterThan(0);
      expect(truth.lies).toBe(0);
    }
    expect(skip.lies).toBeGreaterThan(0);
    expect(Object.values(leaks)).toEqual([0, 0, 0, 0, 0]);
    for (const { latency } of steady)
      for (const arm of CHURN_ARMS) expect(latency[arm].count).toBeGreaterThan(0);
  });

  test('prints every bar of the micro-benchmarks', async () => {
    const directory = testDirectory();
    const { status, stdout, stderr } = await runBench(
      directory,
      '--scenario',
      'micro',
      '--seconds',
      '1',
      '--quick',
    );
    expect(status, stdout + stderr).toBe(0);
    const { micro } = reportIn(directory);
    for (const { name, value, verdict } of micro) {
      expect(stdout).toContain(name);
      if (verdict !== 'not measured') expect(value).toBeGreaterThan(0);
    }
    // Without the scenarios fsync, hot-page and group-commit their bars can't be judged, and say so.
    expect(micro.filter(({ verdict }) => verdict === 'not measured')).toHaveLength(4);
    expect(micro.length).toBeGreaterThanOrEqual(10);
  });

  test('shows what keep and redirty cost, and that the gauge is compared with the truth', async () => {
    const directory = testDirectory();
    const args = ['--scenario', 'keep-or-redirty', '--seconds', '7'];
    const { status, stdout, stderr } = await runBench(directory, ...args);
    expect(status, stdout + stderr).toBe(0);
    expect(fs.readdirSync(directory)).toEqual(REPORTS);
    const { keepOrRedirty } = reportIn(directory);
    for (const { modes } of keepOrRedirty) {
      for (const mode of MODES) {
        const { gauge, truth, writer, fsync } = modes[mode];
        expect(truth).toMatchObject({ lies: 0, lost: 0 });
        for (const figure of [gauge.samples, truth.checked, truth.live, writer.count, fsync.count])
          expect(figure).toBeGreaterThan(0);
      }
      expect(modes.keep.gauge.falseClean).toBe(0);
      expect(modes.redirty.gauge.falseClean).toBeGreaterThan(0);
      // Pinned anew, what was stored is dirty though the page stays pinned.
      expect(modes.redirtyAnew.pinnedAnewPerSecond).toBeGreaterThan(0);
      expect(modes.redirtyAnew.truth.liveCovered).toBeGreaterThan(modes.redirty.truth.liveCovered);
      // Every fsync writes all that is pinned, or nothing of it.
      expect(modes.keep.bouncedPerSecond).toBeGreaterThan(2 * modes.redirty.bouncedPerSecond);
    }
  });

  test('finds pages stable that are written from copies, and others under its control', async () => {
    const directory = testDirectory();
    const { status, stdout, stderr } = await runBench(directory, '--scenario', 'stable', '--seconds', '3');
    expect(status, stdout + stderr).toBe(0);
    expect(fs.readdirSync(directory)).toEqual(REPORTS);
    const { cells = [], checksum = [] } = reportIn(directory).stable ?? {};
    expect(cells.map(({ arm }) => arm)).toEqual(['bounce', 'direct', 'bounce', 'direct']);
    for (const { arm, truth, bounced, readBytes, storedBytes } of cells) {
      for (const figure of [truth.checked, bounced, readBytes, storedBytes])
        expect(figure).toBeGreaterThan(0);
      if (arm === 'bounce') expect(truth.failed).toBe(0);
    }
    expect(cells.some(({ arm, truth }) => arm === 'direct' && truth.failed > 0)).toBe(true);
    for (const { crcGBPerSecond, copyGBPerSecond } of checksum)
      expect(Math.min(crcGBPerSecond, copyGBPerSecond)).toBeGreaterThan(0);
  });

  test('reads a cold file as it was written, by each call; reads ahead, but under its control', async () => {
    const directory = testDirectory();
    const args = ['--scenario', 'coldscan', '--quick', '--seconds', '1'];
    const { status, stdout, stderr } = await runBench(directory, ...args);
    expect(status, stdout + stderr).toBe(0);
    expect(fs.readdirSync(directory)).toEqual(REPORTS);
    const { arms = [], hot = [] } = reportIn(directory).coldScan ?? {};
    expect(arms.map(({ arm }) => arm)).toEqual(SCAN_ARMS);
    for (const { arm, passes, pages, wrong, readahead, mibPerSecond } of arms) {
      expect(passes).toBeGreaterThanOrEqual(3);
      expect(pages).toBe(passes * ((64 << 20) / 4096));
      expect(wrong).toBe(0);
      expect(mibPerSecond).toBeGreaterThan(0);
      if (arm.startsWith('plain') || arm.endsWith('random')) expect(readahead).toBe(0);
      else expect(readahead).toBeGreaterThan(1000);
    }
    expect(hot.map(({ scan }) => scan)).toEqual(['none', 'normal', 'sequential', 'once']);
    for (const { touches, scans, scan } of hot) {
      expect(touches).toBeGreaterThan(0);
      expect(scans > 0).toBe(scan !== 'none');
    }
  });

  test.each(['SIGINT', 'SIGTERM'] as const)(
    'ends on %s: reports what it has, leaves nothing behind',
    async (signal) => {
      const directory = testDirectory();
      const bench = startBench(directory, '--scenario', 'fsync', '--hold', '100', '--seconds', '12');
      await until('the second cell runs', () => bench.stderr.includes('fsync · skip'));
      await new Promise((resolve) => setTimeout(resolve, 150)); // amid a hold
      bench.child.kill(signal);
      expect(await bench.ended).toBe(130);
      expect(bench.stdout).toContain('Interrupted');
      expect(fs.readdirSync(directory)).toEqual(REPORTS);
      const { interrupted, fsync, failures } = reportIn(directory);
      expect(interrupted).toBe(true);
      expect(fsync[0]).toMatchObject({ policy: 'bare' });
      expect(failures).toEqual([]);
    },
  );
});
