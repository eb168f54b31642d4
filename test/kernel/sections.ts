// Checks declared sections against compiled code. A section is what a dead thread must not leave half done: it begins
// with the operation that decides (a compare-and-swap that succeeds, a read-modify-write, a store) and must be done
// with its last store before the segment ends, so before V8 can end the thread (segments.ts).
import * as L from '../../src/kernel/layout.ts';
import type { Code } from './code.ts';
import { type Event, reachable, type Segment, segmentsOf } from './segments.ts';

type Constant = keyof typeof L;

/** One operation on shared (or the thread's own) memory, or the setting of a global. */
export interface Operation {
  readonly kind: Event['kind'];
  /** The offsets that may name the field: one, but for pointers computed from several bases. */
  readonly fields: readonly number[];
  readonly text: string;
}

/** Steps that only some paths of a section do, but then as a whole; the first tells whether. */
export interface Part {
  readonly maybe: readonly [Operation, ...Step[]];
}

/** What a section does, in order. */
export type Step = Operation | Part;

export interface Section {
  readonly name: string;
  /** `file.ts:function` that holds the section's `// Section` comment. */
  readonly source: string;
  /** The exports whose code must hold it; `internal`: any function that is not exported. */
  readonly functions: readonly string[];
  /** The first decides. */
  readonly steps: readonly [Operation, ...Step[]];
}

/** A decision that stands alone: nothing has to follow it. */
export interface Lone {
  readonly functions: readonly string[];
  readonly operation: Operation;
  /** In how many places of each function, exactly; once if not said. */
  readonly times?: number;
  readonly because: string;
}

export interface Problem {
  /** Name of the section; of the function if no section fits. */
  readonly section: string;
  readonly function: string;
  readonly text: string;
}

const layout: Readonly<Record<Constant, number>> = { ...L };
const operation = (kind: Event['kind'], field: Constant): Operation => ({
  kind,
  fields: [layout[field]],
  text: `${kind} ${field}`,
});
export const cas = (field: Constant) => operation('cas', field);
export const load = (field: Constant) => operation('atomic.load', field);
export const store = (field: Constant) => operation('atomic.store', field);
export const add = (field: Constant) => operation('atomic.add', field);
export const sub = (field: Constant) => operation('atomic.sub', field);
export const and = (field: Constant) => operation('atomic.and', field);
export const or = (field: Constant) => operation('atomic.or', field);
export const xchg = (field: Constant) => operation('atomic.xchg', field);
export const notify = (field: Constant) => operation('notify', field);
/** A plain store: to the thread's own row, or to what others look at only behind a later atomic store. */
export const keep = (field: Constant) => operation('store', field);
/** Sets a global of the instance. Their names are not in the shipped module. */
export const remember: Operation = { kind: 'global.set', fields: [-1], text: 'global.set' };
export const maybe = (...steps: Part['maybe']): Part => ({ maybe: steps });
/** A store through a pointer that has the offset in it: an entry, the overflow head, or a link of the chain. */
export const storeAtPlace: Operation = {
  kind: 'atomic.store',
  fields: [0, L.BUCKET_ENTRIES, L.BUCKET_OVERFLOW],
  text: 'atomic.store to an entry or a link',
};

/** Everything that is wrong with the module's sections, named. Empty: each one is whole. */
export function checkSections(
  module: readonly Code[],
  sections: readonly Section[],
  lones: readonly Lone[],
): Problem[] {
  const found = new Set<string>();
  const problems = module.flatMap((code) => checkFunction(code, sections, lones, found));
  for (const { name, functions } of sections) {
    for (const holder of functions) {
      const reported = problems.some((problem) => problem.section === name && problem.function === holder);
      if (reported || found.has(`${holder} ${name}`)) continue;
      problems.push({ section: name, function: holder, text: 'is not in its code' });
    }
  }
  return problems;
}

/** Where something is decided, and how what follows there fits the sections that begin so. */
interface Place {
  readonly event: Event;
  readonly fits: Map<Section, Fit>;
}

/** How a place fits one section, over all paths that go through it. */
interface Fit {
  problem: string | undefined;
  /** How many steps were right on the worst path. */
  steps: number;
  readonly taken: Set<Step>;
  /** Paths that are right and do not end in a return. */
  readonly goingOn: Segment[];
}

function checkFunction(
  code: Code,
  sections: readonly Section[],
  lones: readonly Lone[],
  found: Set<string>,
): Problem[] {
  const holder = code.exported ? code.name : 'internal';
  const here = sections.filter(({ functions }) => functions.includes(holder));
  const places = placesOf(code, here, sections);
  const isHere = (section: Section) => here.includes(section);
  const isFound = (section: Section) => found.has(`${holder} ${section.name}`);
  for (const { fits } of places) {
    const whole = [...fits].find(([, { problem }]) => problem === undefined);
    if (whole) found.add(`${holder} ${whole[0].name}`);
  }
  let broken = places.filter(({ fits }) => [...fits.values()].every(({ problem }) => problem !== undefined));

  const problems: Problem[] = [];
  const report = (section: string, text: string) => {
    problems.push({ section, function: holder, text: code.exported ? text : `${code.name}: ${text}` });
  };
  const reportFit = (section: Section, { problem }: Fit) => {
    report(section.name, `after ${section.steps[0].text}: ${problem}`);
  };
  for (const { operation: alone, times = 1 } of lones.filter(({ functions }) => functions.includes(holder))) {
    const alike = broken.filter(({ event }) => is(event, alone));
    broken = broken.filter((place) => !alike.includes(place));
    if (alike.length === times) continue;
    // One more than declared is a section that fell apart, or a new decision.
    const suspects = here.filter(
      (section) => !isFound(section) && alike.some(({ fits }) => fits.has(section)),
    );
    for (const section of suspects) reportFit(section, closest(alike.map(({ fits }) => fits.get(section)!)));
    if (suspects.length === 0)
      report(code.name, `decides ${alike.length} times by ${alone.text} alone, not ${times}`);
  }
  // A store out of a section that fell apart can look like the first of another section.
  const astray = ({ event, fits }: Place) => event.kind !== 'cas' && ![...fits.keys()].some(isHere);
  for (const place of [...broken.filter((p) => !astray(p)), ...broken.filter(astray)]) {
    if (astray(place) && problems.length > 0) break;
    const { event, fits } = place;
    const missed = [...fits.keys()].filter((section) => !isFound(section));
    const candidates = missed.length > 0 ? missed : [...fits.keys()];
    if (candidates.length === 0) {
      report(code.name, `${show(event)} decides something that no section declares`);
      continue;
    }
    const fit = closest(candidates.map((section) => fits.get(section)!));
    reportFit(candidates.find((section) => fits.get(section) === fit)!, fit);
  }
  return problems;
}

function closest(fits: readonly Fit[]): Fit {
  return fits.reduce((a, b) => (b.steps > a.steps ? b : a));
}

function placesOf(code: Code, here: readonly Section[], sections: readonly Section[]): Place[] {
  const segments = segmentsOf(code);
  const places = new Map<number, Place>();
  for (const segment of segments) {
    const { events } = segment;
    for (let i = 0; i < events.length; i++) {
      const event = events[i];
      const begins = ({ steps: [first] }: Section) => is(event, first);
      // If none of this function's own: another function that holds a section may have been inlined here.
      const candidates = here.some(begins) ? here.filter(begins) : sections.filter(begins);
      if (!event.succeeded || (candidates.length === 0 && event.kind !== 'cas')) continue;
      const place = places.get(event.at) ?? { event, fits: new Map<Section, Fit>() };
      places.set(event.at, place);
      let last = i;
      for (const section of candidates) {
        const fit = place.fits.get(section) ?? newFit(section);
        place.fits.set(section, fit);
        const match = follow(section, events, i + 1);
        fit.steps = Math.min(fit.steps, match.steps);
        if (match.missing) {
          fit.problem ??= `${whatCame(match.came, segment)} where ${match.missing.text} must follow in a straight line`;
          continue;
        }
        for (const step of match.taken) fit.taken.add(step);
        if (segment.end !== 'return') fit.goingOn.push(segment);
        last = Math.max(last, match.last);
      }
      i = last; // what belongs to this section begins no other
    }
  }
  const walls = new Set(
    [...places.values()]
      .filter(({ fits }) => [...fits.values()].some(({ problem }) => problem === undefined))
      .map(({ event }) => event.at),
  );
  for (const { fits } of places.values()) {
    for (const [section, fit] of fits) fit.problem ??= lateOrNever(code, segments, section, fit, walls);
  }
  return [...places.values()];
}

function newFit({ steps }: Section): Fit {
  return { problem: undefined, steps: steps.length, taken: new Set(), goingOn: [] };
}

function is({ kind, field }: Event, { kind: own, fields }: Operation): boolean {
  return kind === own && fields.includes(field);
}

interface Match {
  /** Whole steps done, up to the last or the one that is missing. */
  readonly steps: number;
  readonly missing?: Operation;
  /** What came in the place of the missing one; nothing: the segment ended. */
  readonly came?: Event | undefined;
  readonly taken: readonly Step[];
  /** Index of the section's last event. */
  readonly last: number;
}

/** Follows the section's steps through a path's events. Between them only loads may stand: each write is declared. */
function follow({ steps: [, ...steps] }: Section, events: readonly Event[], from: number): Match {
  const taken: Step[] = [];
  let at = from;
  let done = 1;
  /** Whether the operation comes next, but for loads that no step names. */
  const comes = (operation: Operation) => {
    for (let i = at; i < events.length; i++) {
      if (is(events[i], operation)) return i;
      if (events[i].kind !== 'load' && events[i].kind !== 'atomic.load') return -1;
    }
    return -1;
  };
  const walk = (list: readonly Step[], whole: boolean): Operation | undefined => {
    for (const step of list) {
      if ('maybe' in step) {
        if (comes(step.maybe[0]) >= 0) {
          taken.push(step);
          const missing = walk(step.maybe, false);
          if (missing) return missing;
        }
      } else {
        const i = comes(step);
        if (i < 0) return step;
        at = i + 1;
      }
      if (whole) done++;
    }
    return undefined;
  };
  const missing = walk(steps, true);
  if (!missing) return { steps: done, taken, last: at - 1 };
  const came = events.slice(at).find(({ kind }) => kind !== 'load' && kind !== 'atomic.load');
  return { steps: done, missing, came, taken, last: at - 1 };
}

/** Of a section that is whole on each path: whether a part that only some paths have is left out by all, or is late. */
function lateOrNever(
  code: Code,
  segments: readonly Segment[],
  section: Section,
  fit: Fit,
  walls: ReadonlySet<number>,
): string | undefined {
  const parts = partsOf(section.steps);
  for (const part of parts) {
    if (!fit.taken.has(part)) return `no path does ${part.maybe.map(showStep).join(', ')} in a straight line`;
  }
  const operations = parts.flatMap((part) => part.maybe).filter((step): step is Operation => 'kind' in step);
  for (const stop of fit.goingOn) {
    const later = reachable(code, stop.at, walls);
    const late = segments
      .flatMap(({ events }) => events)
      .find((event) => later.has(event.at) && operations.some((own) => is(event, own)));
    if (late) return `${show(late)} may come as late as after ${whatCame(undefined, stop)}`;
  }
  return undefined;
}

function partsOf(steps: readonly Step[]): Part[] {
  return steps.flatMap((step) => ('maybe' in step ? [step, ...partsOf(step.maybe)] : []));
}

function showStep(step: Step): string {
  return 'maybe' in step ? `maybe (${step.maybe.map(showStep).join(', ')})` : step.text;
}

function whatCame(event: Event | undefined, { end, callee }: Segment): string {
  if (event) return show(event);
  return end === 'call' ? `a call of ${callee}` : `a ${end}`;
}

function show({ kind, field }: Event): string {
  return field < 0 ? kind : `${kind} ${fieldName(field)}`;
}

const prefixes = /^(FRAME|BUCKET|ROW|COUNT|GAUGE|REQUEST|FILE|RESULT|UPDATE|HEADER|DIRTY|GROUP|UNSTABLE)_/;
const notFields = new Set([
  ...[
    'FRAME_BYTES',
    'BUCKET_BYTES',
    'REQUEST_BYTES',
    'FILE_BYTES',
    'RESULT_BYTES',
    'UPDATE_BYTES',
    'HEADER_BYTES',
  ],
  ...['BUCKET_BIAS', 'ROW_BIAS', 'FILE_BIAS'],
  ...['ROW_FREE', 'ROW_LIVE', 'ROW_STARTING', 'ROW_LEAVING', 'ROW_DEAD', 'ROW_RECOVERING'],
  ...['REQUEST_FREE', 'REQUEST_PENDING', 'REQUEST_RUNNING', 'REQUEST_DONE'],
  ...['ROW_COUNTERS', 'ROW_REQUESTS', 'ROW_UPDATES', 'FILE_RESULTS'], // where the first of several fields is
]);

/** The constants of the layout that are offsets of fields. */
export function fieldOffsets(): [name: string, offset: number][] {
  return Object.entries(layout).filter(([name]) => prefixes.test(name) && !notFields.has(name));
}

const inOrder = fieldOffsets().sort(([, a], [, b]) => a - b);

/** The field at an offset, or the one that the offset lies in. */
function fieldName(offset: number): string {
  const [name, start] = inOrder.findLast(([, own]) => own <= offset)!;
  return offset === start ? name : `${name}+${offset - start}`;
}

/** Where the sources mark a section: `file.ts:function`, once for each comment. */
export function markedSections(file: string, source: string): string[] {
  let enclosing = '';
  const marked: string[] = [];
  for (const line of source.split('\n')) {
    enclosing = /^(?:@\w+ |export )*function (\w+)/.exec(line)?.[1] ?? enclosing;
    if (/\/\/ Section\b/.test(line)) marked.push(`${file}:${enclosing}`);
  }
  return marked;
}

/** Marks without an entry, and entries without a mark. */
export function compareMarks(marked: readonly string[], sections: readonly Section[]): string[] {
  const open = [...sections];
  const problems: string[] = [];
  for (const mark of marked) {
    const entry = open.findIndex(({ source }) => source === mark);
    if (entry >= 0) open.splice(entry, 1);
    else problems.push(`${mark} marks a section that the table does not have`);
  }
  for (const { name, source } of open) problems.push(`${name}: ${source} does not mark it`);
  return problems;
}
