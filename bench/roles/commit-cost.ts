import fs from 'node:fs';
import { PageCache } from 'pinfold';
import { isStopped, NS_PER_MS, NS_PER_US, nowNs } from '../clock';
import { DATA_PAGES, PAGE_BYTES } from '../files';
import { median } from '../statistics';
import type { CommitCostResult, CommitCostTask } from '../tasks';

/** Commits of one variant before it is the other one's turn: some 15 ms, less than what the machine needs to drift. */
const BLOCK_COMMITS = 100;

/** One page written and made durable, over and over, by the cache, by bare fs and by the cache again, in turns. */
export function commitCost(task: CommitCostTask): CommitCostResult {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  const fd = fs.openSync(task.barePath, 'r+');
  const bytes = new Uint8Array(PAGE_BYTES);
  const cached = (position: number): void => {
    file.writeSync(bytes, position);
    file.fsyncSync();
  };
  const bare = (position: number): void => {
    fs.writeSync(fd, bytes, 0, PAGE_BYTES, position);
    fs.fdatasyncSync(fd);
  };
  const result: CommitCostResult = { cachedUs: [], cachedAgainUs: [], bareUs: [] };
  try {
    // One block of each warms up and does not count.
    blockMedianUs(cached, bytes);
    blockMedianUs(bare, bytes);
    const endNs = nowNs() + task.durationMs * NS_PER_MS;
    const turns: [number[], (position: number) => void][] = [
      [result.cachedUs, cached],
      [result.bareUs, bare],
      [result.cachedAgainUs, cached],
    ];
    for (let round = 0; nowNs() < endNs && !isStopped(task.stop); round++) {
      // Who goes first changes: nobody may always follow the same one.
      for (let turn = 0; turn < turns.length; turn++) {
        const [us, commit] = turns[(round + turn) % turns.length];
        us.push(blockMedianUs(commit, bytes));
      }
    }
    return result;
  } finally {
    fs.closeSync(fd);
    file.closeSync();
    cache.detach();
  }
}

function blockMedianUs(commit: (position: number) => void, bytes: Uint8Array): number {
  const latencies: number[] = [];
  for (let i = 0; i < BLOCK_COMMITS; i++) {
    bytes.fill(i);
    const startNs = nowNs();
    commit((i % DATA_PAGES) * PAGE_BYTES);
    latencies.push((nowNs() - startNs) / NS_PER_US);
  }
  return median(latencies);
}
