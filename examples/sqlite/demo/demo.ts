// One database, one cache, four threads that write: what SQLite says of it, and what the cache did.
import fs from 'node:fs';
import { join } from 'node:path';
import { PageCache } from 'pinfold';
import { startThread } from '../programs.ts';
import { connect, shareDatabase } from '../vfs/share.ts';
import type { TransferTask } from './transfer.ts';

const THREADS = 4;
const TRANSACTIONS = 25;

/** True if all that was written is there. */
export async function demo(directory: string): Promise<boolean> {
  fs.mkdirSync(directory, { recursive: true });
  const cache = await PageCache.create({ memory: 16 * 2 ** 20 });
  const shared = await shareDatabase(join(directory, 'demo.db'), cache);
  const db = await connect(shared, cache);
  db.exec('CREATE TABLE greeting (id INTEGER PRIMARY KEY, worker TEXT, text TEXT)');

  const threads = Array.from({ length: THREADS }, (_, n) => {
    const task: TransferTask = {
      role: 'transfer',
      shared,
      name: `worker ${n + 1}`,
      transactions: TRANSACTIONS,
    };
    const worker = startThread(task);
    return new Promise<void>((resolve, reject) => {
      worker.once('error', reject);
      worker.once('exit', () => resolve());
    });
  });
  await Promise.all(threads);

  const [[version]] = db.all('SELECT sqlite_version()') as [[string]];
  const rows = db.all('SELECT worker, count(*), text, max(id) FROM greeting GROUP BY worker ORDER BY worker');
  const [[integrity]] = db.all('PRAGMA integrity_check') as [[string]];
  console.log(`SQLite ${version}, ${THREADS} threads, ${TRANSACTIONS} transactions each, one cache:`);
  for (const [worker, count, text] of rows) console.log(`  ${worker}: ${count} rows, the last "${text}"`);
  console.log(`  integrity_check: ${integrity}`);
  const { hits, misses, writtenPages, fsyncs } = cache.stats();
  console.log(`  the cache: ${hits} hits, ${misses} misses, ${writtenPages} pages written, ${fsyncs} fsyncs`);
  db.close();
  await cache.close();
  return integrity === 'ok' && rows.length === THREADS && rows.every(([, count]) => count === TRANSACTIONS);
}
