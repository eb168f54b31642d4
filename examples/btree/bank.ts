// What the threads of the demonstration keep in the store, and how it is judged.
import { createHash } from 'node:crypto';
import type { BTree } from './btree.ts';

export const ACCOUNTS = 100;
export const TOTAL = ACCOUNTS * 1000;
export const WRITERS = 3;
/** Entries that a writer leaves behind; older ones it deletes. */
export const KEPT = 20;

const digits = (n: number) => `${n}`.padStart(9, '0');
export const accountKey = (n: number) => `account/${digits(n)}`;
export const countKey = (writer: number) => `count/${writer}`;
export const entryKey = (writer: number, n: number) => `entry/${writer}/${digits(n)}`;

/** What the entry of a transfer holds: up to some 600 bytes that follow from its number. */
export function entryText(writer: number, n: number): string {
  const line = createHash('sha256').update(`${writer} ${n}`).digest('hex');
  return line.repeat(1 + (n % 9));
}

export function sumOf(get: (key: string) => Uint8Array | undefined): number {
  let sum = 0;
  for (let n = 0; n < ACCOUNTS; n++) sum += Number(new TextDecoder().decode(get(accountKey(n))));
  return sum;
}

export function fill(tree: BTree): void {
  tree.transact((txn) => {
    for (let n = 0; n < ACCOUNTS; n++) txn.put(accountKey(n), `${TOTAL / ACCOUNTS}`);
    for (let writer = 0; writer < WRITERS; writer++) txn.put(countKey(writer), '0');
  });
}

/** What is wrong with the store, where these transfers of each writer had been acknowledged. */
export function* faultsOf(tree: BTree, acknowledged: readonly number[]): Generator<string> {
  const text = (key: string) => new TextDecoder().decode(tree.get(key));
  const sum = sumOf((key) => tree.get(key));
  if (sum !== TOTAL) yield `the accounts hold ${sum}, not ${TOTAL}`;
  for (const [writer, least] of acknowledged.entries()) {
    const count = Number(text(countKey(writer)));
    if (!(count >= least))
      yield `transfer ${least} of writer ${writer} was acknowledged, the store has ${count}`;
    for (let n = Math.max(1, count - KEPT + 1); n <= count; n++) {
      if (text(entryKey(writer, n)) !== entryText(writer, n))
        yield `entry ${n} of writer ${writer} is not as written`;
    }
    const older = text(entryKey(writer, count - KEPT));
    if (count > KEPT && older !== '')
      yield `entry ${count - KEPT} of writer ${writer} was deleted, and is there`;
  }
}
