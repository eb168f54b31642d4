import { PageCache } from 'pinfold';
import { nowNs, type StopWord, sleepUntil } from '../../clock';
import { PAGE_BYTES } from '../../files';
import { HALFWAY_NS, judgePart, note, placeOf, RECORD_PARTS, UPDATE_PART } from '../../parts';
import { type Judgement, RECORD_BYTES } from '../../record';
import type { MixedTask, MixedViewerResult } from '../../tasks';
import { Arrivals } from '../arrivals';
import { drawPages } from './pages';

/** One in so many looks at a page is a read. */
const READ_EVERY = 4;
/** One in so many is a view that stops half-way, so that updates begin and end in between on any machine. */
const PAUSE_EVERY = 16;
const RECORDS_BYTES = RECORD_PARTS * RECORD_BYTES;
/** Where it stops: in the midst of the record that is changed most. */
const HALF_BYTES = (UPDATE_PART + 0.5) * RECORD_BYTES;

interface Look {
  page: number;
  /** By place: what had returned before the look. */
  noted: Int32Array;
  pause: boolean;
  stop: StopWord;
}

/** Looks at pages and expects every record whole, and as new as what had returned before. */
export function mixedViewer(task: MixedTask): MixedViewerResult {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  const draw = drawPages(task);
  const look: Look = {
    page: 0,
    noted: new Int32Array(task.announced.returned.length),
    pause: false,
    stop: task.stop,
  };
  const read = new Uint8Array(RECORDS_BYTES);
  const found: Record<Judgement, number> = { kept: 0, older: 0, torn: 0 };
  try {
    const arrivals = new Arrivals(task);
    for (let n = 0; arrivals.next(); n++) {
      look.page = draw();
      note(task.announced.returned, look.noted, placeOf(look.page, 0), placeOf(look.page + 1, 0));
      if (n % READ_EVERY === 0) {
        file.readSync(read, look.page * PAGE_BYTES);
        arrivals.ended();
        found[judgePage(read, look)]++;
      } else {
        look.pause = n % PAUSE_EVERY === 1;
        const judgement = file.viewSync(look.page, judgeView, look);
        arrivals.ended();
        found[judgement]++;
      }
    }
    return { ...arrivals.result(), halves: found.torn, older: found.older };
  } finally {
    file.closeSync();
    cache.detach();
  }
}

/** Judges the page in place; with a pause, from what it showed before and after. A second run, which the pause provokes, has none. */
function judgeView(bytes: Uint8Array, look: Look): Judgement {
  if (!look.pause) return judgePage(bytes, look);
  look.pause = false;
  const seen = new Uint8Array(RECORDS_BYTES);
  seen.set(bytes.subarray(0, HALF_BYTES));
  sleepUntil(look.stop, nowNs() + HALFWAY_NS);
  seen.set(bytes.subarray(HALF_BYTES, RECORDS_BYTES), HALF_BYTES);
  return judgePage(seen, look);
}

/** The worst that can be said of a page's records. */
function judgePage(bytes: Uint8Array, { page, noted }: Look): Judgement {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, RECORDS_BYTES / 4);
  let worst: Judgement = 'kept';
  for (let part = 0; part < RECORD_PARTS; part++) {
    const judgement = judgePart(words, 0, page, part, noted);
    if (judgement === 'torn') return 'torn';
    if (judgement === 'older') worst = 'older';
  }
  return worst;
}
