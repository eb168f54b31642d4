// The portrait of a cell: what its caller and its pins did over time, and what the cache said of its pages meanwhile.
import fs from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { PageCache, PageInfo } from 'pinfold';
import { isStopped, NS_PER_MS, nowNs, type StopWord } from '../clock';
import type { CellPlan } from '../plan';
import { PAGE_LOOKS, type PageLook, type Portrait } from '../portrait';
import type { CallerResult } from '../tasks';
import type { Timeline } from '../timeline';

/** Between two looks, ms; a timer adds up to one. */
const LOOK_EVERY_MS = 1;
/** Figures for the eye need no more. */
const DIGITS = 5;

const rounded = (ms: number): number => Number(ms.toPrecision(DIGITS));

/** Looks at the first `pages` of the file at `path` from the start of the timeline to its end, by `pages()` of the public API. */
export async function looksAt(
  cache: PageCache,
  path: string,
  pages: number,
  { startNs, endNs }: Timeline,
  stop: StopWord,
): Promise<Portrait['looks']> {
  const file = fs.realpathSync(path);
  const looks: Portrait['looks'] = { atMs: [], pages, states: [] };
  while (nowNs() < endNs && !isStopped(stop)) {
    if (nowNs() >= startNs) {
      looks.atMs.push(rounded((nowNs() - startNs) / NS_PER_MS));
      looks.states.push(statesOf(cache, file, pages));
    }
    await pause(LOOK_EVERY_MS);
  }
  return looks;
}

function statesOf(cache: PageCache, file: string, pages: number): string {
  const states: PageLook[] = Array.from({ length: pages }, () => 'not cached');
  for (const page of cache.pages()) {
    if (page.file !== file || page.index >= pages) continue;
    states[page.index] = lookOf(page);
  }
  return states.map((state) => PAGE_LOOKS.indexOf(state)).join('');
}

function lookOf({ writeback, dirty, pins }: PageInfo): PageLook {
  if (writeback) return 'writeback';
  if (pins.length > 0) return dirty ? 'pinned dirty' : 'pinned';
  return dirty ? 'dirty' : 'clean';
}

export function portraitOf(
  { policy, pinnedDirty, holdMs }: CellPlan,
  { startNs, endNs, holdStartNs, holdEndNs, staggerNs }: Timeline,
  { sampleDueNs, sampleNs }: CallerResult,
  looks: Portrait['looks'],
): Portrait {
  if (policy === 'bare') throw new Error('a portrait is of the cache');
  const msOf = (ns: number) => rounded((ns - startNs) / NS_PER_MS);
  return {
    policy,
    pinnedDirty,
    holdMs,
    durationMs: msOf(endNs),
    fsyncs: sampleDueNs.map((dueNs, i) => ({
      dueMs: msOf(dueNs),
      latencyMs: rounded(sampleNs[i] / NS_PER_MS),
    })),
    holds: Array.from(holdStartNs, (ns, i) => ({
      startMs: msOf(ns),
      endMs: msOf(holdEndNs[i] + staggerNs),
    })),
    looks,
  };
}
