// A program with `using`, which Node 20 and 22 run once it is compiled. Its argument is a file of two pages at least.
import { PageCache } from 'pinfold';

const [path] = process.argv.slice(2);
let leaked: { pins: number; size: number };
{
  await using cache = await PageCache.create({ memory: 256 * 1024 });
  await using file = await cache.open(path!);
  {
    using page = file.pinSync(1, 'write');
    page.bytes[0] = 0x75;
    using other = await file.pin(0);
    if (other.bytes.length !== page.bytes.length) throw new Error('pages of one file differ in size');
  }
  {
    using page = file.pinSync(0);
    page.unpin(); // no error: disposing of it does nothing then
  }
  {
    using again = cache.openSync(path!);
    using page = again.tryPin(1);
    if (page?.bytes[0] !== 0x75) throw new Error('what was stored is not there');
  }
  const { readPins, writePins } = cache.stats();
  leaked = { pins: readPins + writePins, size: file.size };
}
console.log(JSON.stringify(leaked));
