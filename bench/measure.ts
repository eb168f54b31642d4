// One scenario, with what is measured around each of them: the machine's own floor, and CPU time.
import type { Run } from './run';
import type { Scenario } from './scenario';
import { floorOf } from './scenarios/floor';

/** For about `durationMs`. What was found is in `run.report`, also when this throws. */
export async function measureScenario(run: Run, scenario: Scenario, durationMs: number): Promise<void> {
  const pages = scenario.floorPages;
  const before = pages === undefined ? null : await floorOf(run, scenario, pages);
  if (pages !== undefined) {
    if (before === null) return; // stopped
    run.report.floors.push({ scenario: scenario.name, pages, before, after: null });
  }
  const startMs = performance.now();
  const startCpu = cpuOf(run);
  try {
    await scenario.measure(run, durationMs);
  } finally {
    const { user, system } = cpuOf(run);
    const wallMs = performance.now() - startMs;
    run.report.cpu.push({
      scenario: scenario.name,
      wallMs,
      userMs: (user - startCpu.user) / 1e3,
      systemMs: (system - startCpu.system) / 1e3,
    });
  }
  const floor = run.report.floors.find(({ scenario: name }) => name === scenario.name);
  if (floor !== undefined) floor.after = await floorOf(run, scenario, floor.pages);
}

/** CPU time of the bench and of the processes that it has started so far, µs. */
function cpuOf({ childrenCpu }: Run): { user: number; system: number } {
  const { user, system } = process.cpuUsage();
  return { user: user + childrenCpu.user, system: system + childrenCpu.system };
}
