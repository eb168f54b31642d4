// The control of stable pages: fsync as it would be without a copy. Each page is written from its frame, with a checksum
// over the bytes that are there, while whoever has it write-pinned stores into it. In the harness's build only.
import type { Attachment } from '../attachment';
import { type FileId, type FrameId, PageBytes } from '../kernel/kernel';
import type { Pool } from '../protocol/effects';
import { fsyncRound, type Outcome } from '../protocol/fsync';

/** Pages that stay where they are when they should be copied for a write. For pools of one data memory. */
class LivePages extends PageBytes {
  override stage(frame: FrameId, area: number, _slot: number, _offset: number, length: number): void {
    const page = this.of(frame);
    // A part is the before-image of an update, to be laid over a copy: there is none.
    if (length === page.length) (this.staging as Uint8Array[])[area] = page;
  }
}

/** A staging area is one page, so that each is written by itself. */
function livePool({ kernel, geometry, options, references, handle }: Attachment): Pool {
  if (handle.data.length > 1) throw new Error('live pages are of one data memory');
  const bytes = new LivePages(geometry, handle.modules.bytes, handle.data);
  return { kernel, bytes, geometry: { ...geometry, stagingPages: 1 }, options, references };
}

const pools = new WeakMap<Attachment, Pool>();

/** One round of fsync that writes every page from its frame. */
export function fsyncLive(attachment: Attachment, file: FileId): Outcome {
  const pool = pools.get(attachment) ?? livePool(attachment);
  pools.set(attachment, pool);
  return attachment.sync.run(fsyncRound(pool, file));
}
