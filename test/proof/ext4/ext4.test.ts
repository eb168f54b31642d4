// Calls of the system that fail under a process: that a run tells right from wrong. `npm run prove -- ext4` does all of it.
import { expect, test } from 'vitest';
import { root } from '../../support/root.ts';
import { inject, injections, straceObstacle } from './syscalls.ts';

const child = `${root}test/proof/dist/ext4/child.js`;
const why = straceObstacle();

test.skipIf(why !== undefined)(
  `under strace${why ? ` (${why})` : ''}: what comes is told from what does not`,
  async () => {
    const [failedFlush] = injections;
    const runs = [failedFlush!, { ...failedFlush!, ends: Array(6).fill('ok') }];
    const [right, wrong] = await Promise.all(runs.map((one) => inject(one, 'in place', child)));
    expect(right).toBeUndefined();
    expect(wrong).toBe('calls come to ok,ok,EIO,ok,ok,ok, not ok,ok,ok,ok,ok,ok');
  },
);
