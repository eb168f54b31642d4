// Where the figures come from: machine, command, CPU time, method.
import type { BenchReport } from '../../schema';
import { table } from '../blocks';
import { digits } from '../format';
import { scrolledTable } from './blocks';
import { commandOf } from './command';
import { html, type Markup } from './markup';

export function cpuSection({ cpu }: BenchReport, titles: ReadonlyMap<string, string>): Markup | false {
  if (cpu.length === 0) return false;
  const columns = [
    { head: 'scenario', words: true },
    { head: 'took s' },
    { head: 'user s' },
    { head: 'system s' },
    { head: 'cores busy' },
  ];
  const rows = cpu.map(({ scenario, wallMs, userMs, systemMs }) => [
    titles.get(scenario) ?? scenario,
    digits(wallMs / 1e3),
    digits(userMs / 1e3),
    digits(systemMs / 1e3),
    digits(wallMs > 0 ? (userMs + systemMs) / wallMs : null),
  ]);
  return html`<section id="cpu" aria-labelledby="cpu-title"><h2 id="cpu-title">CPU time</h2>${scrolledTable(table(columns, rows), 'CPU time')}<p class="reading">Of the whole process, its threads included, while each scenario ran.</p></section>`;
}

export function machineSection(report: BenchReport): Markup {
  const { machine, calibration } = report;
  const facts: [string, string][] = [
    ['Processor', `${machine.cpu}, ${machine.cores} ${machine.cores === 1 ? 'core' : 'cores'}`],
    ['Memory', `${digits(machine.memoryBytes / 2 ** 30)} GiB`],
    ['System', `${machine.platform} ${machine.kernel}, ${machine.arch}`],
    ['Node', `${machine.node} (V8 ${machine.v8})`],
    [
      'File system',
      `${machine.fileSystem} on ${machine.device}${machine.durable ? '' : ', which keeps nothing over a power loss'}`,
    ],
    ['Load before the run', digits(machine.loadAverage)],
  ];
  if (calibration !== null) {
    const { pagesPerFsync, bareP50Us, bareP99Us } = calibration;
    facts.push([
      "The disk's own floor",
      `bare write + fdatasync of ${pagesPerFsync} pages, alone: p50 ${digits(bareP50Us / 1e3)} ms, p99 ${digits(bareP99Us / 1e3)} ms`,
    ]);
  }
  return html`<section id="machine" aria-labelledby="machine-title"><h2 id="machine-title">Machine and command</h2><dl class="facts">${facts.map(
    ([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`,
  )}</dl><p>To measure the same elsewhere:</p><div class="scroll" role="region" aria-label="Command" tabindex="0"><pre><code>${commandOf(report)}</code></pre></div><p class="reading">Times differ from machine to machine and from minute to minute. Ratios, of neighbours in time, are what may be compared.</p></section>`;
}

const METHOD: [string, string][] = [
  [
    'Latencies count from when an operation was due.',
    'Every role has a schedule that was drawn before it began, but those that work as fast as they can (group commit, hits, peers): these count from the start of each operation. An operation that has to queue behind a slow one counts its wait. What was never begun, because a thread was too far behind, is in the tables.',
  ],
  [
    'Percentiles are of one histogram over all threads.',
    'The curves are read off HdrHistograms, the maximum included. The further to the right, the fewer operations: the last point is one.',
  ],
  [
    'What is compared ran alternately.',
    'In short blocks, or a call each, round after round. A ratio is that of two neighbours in time; shown are the median and the quartiles of such ratios. What warms up at first does not count.',
  ],
  [
    'Beside a comparison stands one of two identical arms (A/A).',
    'If those differ by more than 5% the machine moved while it was measured, and there is no verdict. Nor is there one where a figure is nearer to its bar than it is exact: another run might say the opposite.',
  ],
  [
    'Beside a latency stands what the machine can do without the cache.',
    'A bare write and fdatasync of as many pages, a plain loop of reads, a copy of the memory: in the same run.',
  ],
  [
    'What was promised is checked, and so is the check.',
    'After each fsync the file itself, read by plain fs, is compared with what had been written before the call; views are searched for half updates. Each check has a control that must fail it: an fsync that leaves pinned pages out has to be caught lying.',
  ],
  [
    'Files, flushes, threads and pins are real.',
    "Pinned pages are stored into by the system's own reads and by other threads. Power loss is not part of this.",
  ],
  [
    'One run is one process on one machine.',
    'Some costs have two modes, from thread to thread and from process to process.',
  ],
];

export function methodSection(): Markup {
  return html`<section id="method" aria-labelledby="method-title"><h2 id="method-title">Method</h2><ul class="method">${METHOD.map(
    ([what, how]) => html`<li><strong>${what}</strong> ${how}</li>`,
  )}</ul></section>`;
}
