// The peers that `npm run bench:peers` has installed. They stand in a folder of their own, outside of this package and its lockfile:
// each is found there at run time, so that nothing of it is ever bundled.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import packages from './packages.json';

export type PackageName = keyof typeof packages;

/** What `scripts/install-peers.mjs` leaves: by package, the version asked for, and why it is not there; null if it is. */
type State = Partial<Record<PackageName, { version: string; why: string | null }>>;

/** Native code is compiled for one line of Node; each has an install of its own. `PINFOLD_PEERS`: another folder than `.peers`. */
function installFolder(): string {
  const folder = process.env.PINFOLD_PEERS ?? fileURLToPath(new URL('../../.peers', import.meta.url));
  return path.join(folder, `modules-${process.versions.modules}`);
}

/** Undefined if `npm run bench:peers` has not run for this line of Node. */
function installState(): State | undefined {
  let text: string;
  try {
    text = fs.readFileSync(path.join(installFolder(), 'state.json'), 'utf8');
  } catch {
    return undefined;
  }
  return JSON.parse(text) as State;
}

/** What to do before the peers can be measured; undefined if it was done. */
export function peersRefusal(): string | undefined {
  if (installState() !== undefined) return undefined;
  return `the peers are not installed for Node ${process.versions.node}: in a clone of the repository run 'npm run bench:peers', which installs them into a folder of their own and then runs this scenario`;
}

/** Why a package can't be used; null if it can. */
export function whyMissing(name: PackageName): string | null {
  const state = installState()?.[name];
  const { version } = packages[name];
  if (state === undefined) return 'not installed';
  if (state.version !== version) return `version ${state.version} is installed, not ${version}`;
  return state.why === null ? null : `not installed: ${state.why}`;
}

export const versionOf = (name: PackageName): string => packages[name].version;

/** Loads a package that is installed. The caller says what it is; these packages are not there when types are checked. */
export function load<T>(name: PackageName): T {
  const folder = path.join(installFolder(), name.replace('/', '+'), 'package.json');
  return createRequire(folder)(name) as T;
}
