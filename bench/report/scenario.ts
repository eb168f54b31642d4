// All that the report says of a scenario: its own blocks, and what was measured around it.
import type { Scenario } from '../scenario';
import type { BenchReport } from '../schema';
import { type Block, reading } from './blocks';
import { digits, ms } from './format';

/** Empty if the report has nothing of it. */
export function blocksOf(scenario: Scenario, report: BenchReport): Block[] {
  const blocks = scenario.blocks(report);
  if (blocks.length === 0) return [];
  const around = [floorOf(scenario, report), cpuOf(scenario, report)].filter((said) => said !== '');
  return around.length === 0 ? blocks : [...blocks, reading(...around)];
}

function floorOf({ name }: Scenario, { floors }: BenchReport): string {
  const floor = floors.find(({ scenario }) => scenario === name);
  if (floor === undefined) return '';
  const { pages, before, after } = floor;
  const what = `The machine's own floor, bare write + fdatasync of ${pages === 1 ? 'a page' : `${pages} pages`} with nothing beside it`;
  if (after === null) return `${what}, before: p50 ${ms(before.p50Us)} ms, p99 ${ms(before.p99Us)} ms.`;
  return `${what}, before and after: p50 ${ms(before.p50Us)} and ${ms(after.p50Us)} ms, p99 ${ms(before.p99Us)} and ${ms(after.p99Us)} ms.`;
}

function cpuOf({ name }: Scenario, { cpu }: BenchReport): string {
  const used = cpu.find(({ scenario }) => scenario === name);
  if (used === undefined || used.wallMs === 0) return '';
  const { wallMs, userMs, systemMs } = used;
  return `CPU time of the bench: ${digits((userMs + systemMs) / wallMs)} cores for ${digits(wallMs / 1e3)} s, ${Math.round((100 * systemMs) / Math.max(1, userMs + systemMs))}% of it in the system.`;
}
