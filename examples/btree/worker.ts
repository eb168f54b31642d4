// A thread of the process that is to be killed: moves money between accounts, or looks whether any is missing.
import fs from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { ACCOUNTS, accountKey, countKey, entryKey, entryText, KEPT, sumOf, TOTAL } from './bank.ts';
import { BTree, type BTreeHandle } from './btree.ts';

export interface WorkerData {
  readonly handle: BTreeHandle;
  readonly role: 'writer' | 'reader';
  readonly id: number;
}

const STDOUT = 1;
const { handle, role, id } = workerData as WorkerData;
const tree = BTree.attach(handle);
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
/** The lock is not fair: who takes it again and again at once would have it alone. */
const pause = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
const anyAccount = () => accountKey(Math.floor(Math.random() * ACCOUNTS));

/** One transaction: its number among this writer's. */
function transfer(): number {
  return tree.transact((txn) => {
    const [from, to] = [anyAccount(), anyAccount()];
    const amount = Math.floor(Math.random() * 100);
    txn.put(from, `${Number(text(txn.get(from))) - amount}`);
    txn.put(to, `${Number(text(txn.get(to))) + amount}`);
    const n = Number(text(txn.get(countKey(id)))) + 1;
    txn.put(countKey(id), `${n}`);
    txn.put(entryKey(id, n), entryText(id, n));
    txn.delete(entryKey(id, n - KEPT));
    return n;
  });
}

if (role === 'writer') {
  // What is told was durable before; written as one small piece, so it arrives whole or not at all.
  for (;;) {
    fs.writeSync(STDOUT, `${id} ${transfer()}\n`);
    parentPort!.postMessage('at work');
  }
}
for (let seen = 0; ; pause()) {
  const count = Number(text(tree.get(countKey(id))));
  if (count < seen) throw new Error(`writer ${id} had made ${seen} transfers, and now ${count}`);
  seen = count;
  const sum = tree.transact((txn) => sumOf((key) => txn.get(key)));
  if (sum !== TOTAL) throw new Error(`the accounts hold ${sum}, not ${TOTAL}`);
}
