// The table of mutants: each can be planted, and is expected where there is something to find it.
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { scenarios as deathScenarios } from '../../kernel/scenarios.ts';
import { root } from '../../support/root.ts';
import { scenarios } from '../explorer/subject/scenarios/index.ts';
import { type Check, planted } from './mutant.ts';
import { mutants } from './table/index.ts';

const INVARIANTS = Array.from({ length: 14 }, (_, n) => n + 1);

test('each change has one place in its file', () => {
  for (const { name, changes } of mutants) {
    for (const file of new Set(changes.map((change) => change.file))) {
      expect(() => planted(readFileSync(root + file, 'utf8'), file, changes), name).not.toThrow();
    }
  }
});

function exists(check: Check): boolean {
  switch (check.by) {
    case 'explorer': {
      const scenario = scenarios.find(({ name }) => name === check.scenario);
      return scenario !== undefined && (check.dies === undefined || check.dies in scenario.actors);
    }
    case 'deaths':
      return deathScenarios.some(({ name }) => name === check.scenario);
    case 'sections':
      return true;
    case 'test':
      return existsSync(root + check.file);
  }
}

test('each check that is expected to find something exists; only what changes nothing has none', () => {
  for (const { name, found, equivalent } of mutants) {
    expect(
      found.filter((check) => !exists(check)),
      name,
    ).toEqual([]);
    expect(found.length === 0, name).toBe(equivalent !== undefined);
  }
});

test('each invariant has at least three', () => {
  for (const invariant of INVARIANTS) {
    const breaking = mutants.filter(
      ({ breaks, equivalent }) => equivalent === undefined && breaks.includes(invariant),
    );
    expect(breaking.length, `I${invariant}`).toBeGreaterThanOrEqual(3);
  }
});
