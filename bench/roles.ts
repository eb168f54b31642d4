// What piscina runs: one export a role. Each is one coarse task that lasts as long as its cell.
export { bareFloor } from './roles/bare-floor';
export { caller } from './roles/caller';
export { commitCost } from './roles/commit-cost';
export { committer } from './roles/committer';
export { device } from './roles/device';
export { hits } from './roles/hits';
export { journalCaller, journalPinner } from './roles/journal';
export { dirtyFsync } from './roles/memory/dirty-fsync';
export { openFiles } from './roles/memory/open-files';
export { poolHits } from './roles/memory/pool-hits';
export { mixedCaller } from './roles/mixed/caller';
export { mixedPinner } from './roles/mixed/pinner';
export { mixedUpdater } from './roles/mixed/updater';
export { mixedViewer } from './roles/mixed/viewer';
export { storer } from './roles/storer';
export { stream } from './roles/stream';
export { viewer } from './roles/viewer';
