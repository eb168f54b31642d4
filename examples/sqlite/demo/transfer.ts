import { PageCache } from 'pinfold';
import { connect, type SharedDatabase } from '../vfs/share.ts';

export interface TransferTask {
  readonly role: 'transfer';
  readonly shared: SharedDatabase;
  readonly name: string;
  readonly transactions: number;
}

/** A thread of the demo: attaches to the cache, connects, writes, and leaves. */
export async function transfer({ shared, name, transactions }: TransferTask): Promise<void> {
  if (shared.cache === undefined) throw new Error('the demo is over a cache');
  const cache = PageCache.attach(shared.cache);
  const db = await connect(shared, cache);
  const insert = db.prepare('INSERT INTO greeting (worker, text) VALUES (?, ?)');
  for (let n = 1; n <= transactions; n++) db.transaction(() => insert.run(name, `number ${n} from ${name}`));
  db.close();
  cache.detach();
}
