// What the explorer loads: the library and the scenarios, in one bundle that is made steppable as a whole.
import { scenarios } from './scenarios/index';
import { type Actor, type Me, type Places, type Scenario, World } from './world';

export { DISK_PAGES, NOTES, PAGE } from './world';
export { scenarios };

export function prepare(places: Places, scenario: Scenario): World {
  const world = new World(places, scenario);
  scenario.prepare?.(world);
  return world;
}

export function restore(world: World): void {
  world.other.restore();
  for (const me of world.threads.values()) me.restore();
  for (const me of world.undertakers) me.restore();
}

export function act(world: World, me: Me, actor: Actor): void {
  actor.run(world, me);
}

export function bury(world: World, me: Me): void {
  world.recoverDead(me);
}

/** A later look at the dead, where the scenario says that one may be needed. */
export function lookAgain(world: World): void {
  if (world.scenario.secondLook) world.recoverDead(world.other);
}

/** What must hold when all have ended, beside what is true of every cache. */
export function check(world: World): void {
  world.disk.heal();
  world.scenario.check?.(world);
  if (!world.scenario.leavesPins) world.settle();
}
