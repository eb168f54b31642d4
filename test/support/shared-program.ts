// A program as a user writes one, in TypeScript: a cache, a worker that gets its handle, a pin, an update, an fsync. Its
// argument is a file of two pages. It starts itself as its worker, so that bundlers have one entry,
// unless another entry is named.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type CachedFile, PageCache, type PageCacheHandle } from 'pinfold';

interface Data {
  readonly handle: PageCacheHandle;
  readonly path: string;
}

const first = (bytes: Uint8Array): number => bytes[0]!;

async function main(path: string): Promise<void> {
  const cache = await PageCache.create({ memory: 256 * 1024 });
  const file: CachedFile = await cache.open(path, { checksum: 'none' });
  const data: Data = { handle: cache.handle, path };
  const worker = new Worker(process.env.PROGRAM_WORKER ?? process.argv[1]!, { workerData: data });
  const told = await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  await new Promise((resolve) => worker.once('exit', resolve));
  const seen = file.viewSync(1, first);
  let refused = '';
  try {
    file.viewSync(2, first);
  } catch (error) {
    refused = `${(error as Error).constructor.name} ${(error as { code: string }).code}`;
  }
  await cache.close();
  console.log(JSON.stringify({ told, seen, refused }));
}

async function work({ handle, path }: Data): Promise<void> {
  const cache = PageCache.attach(handle);
  const file = await cache.open(path);
  const page = await file.pin(0, 'write');
  page.bytes[0] = 0x50;
  file.updateSync(1, (bytes) => bytes.fill(0x51));
  const { pages } = await file.fsync();
  page.unpin();
  file.fsyncSync();
  cache.detach();
  parentPort!.postMessage(pages > 0 ? 'synced' : 'nothing to sync');
}

if (isMainThread) void main(process.argv[2]!);
else void work(workerData as Data);
