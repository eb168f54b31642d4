/*
 * The layout of the control memory: one shared WebAssembly memory with every word that threads coordinate by.
 * Page bytes live elsewhere, in the data memories.
 *
 *   byte 0         8192        9216
 *   +--------------+--------+---------+--------+-------+------+---------+------+------+------+-------+--------+
 *   | never used   | header | buckets | frames | dirty | epoch| unstable| file | file | rows | paths | queues |
 *   | (null guard) |        | (64 B)  | (64 B) | bits  | words| bits    | bits | rows |      |       | ghosts |
 *   +--------------+--------+---------+--------+-------+------+---------+------+------+------+-------+--------+
 *
 * Frames are grouped by 32: one dirty word, one unstable word and one claim epoch per group. A file's own bits
 * say which groups may hold a dirty frame of that file (level 1: a bit per group; level 2: a bit per level-1 word).
 *
 * Every field has its own byte offset, unique over all structures: a base pointer is kept *biased* (reduced by the
 * structure's first offset), so that each atomic instruction in the compiled module names its field by its
 * immediate. The test of straight-line sections relies on this.
 *
 * This file is compiled by AssemblyScript (kernel/control) and by TypeScript. Hence: constants, no annotations.
 */

// -- The state word of a frame: one i32, so that each decision is one compare-and-swap. ------------------------------

/** The frame holds the bytes of the page that `FRAME_FILE`, `FRAME_INDEX` name. */
export const VALID = 1;
/** The page is newer than the store; nobody has begun to write that newer content. */
export const DIRTY = 2;
/** Somebody (`FRAME_WRITER`) has the sole right to write this page to the store now. */
export const WRITEBACK = 4;
/** The frame is being filled, or taken from its page, by `FRAME_CLAIMER`; what VALID says then is the stage's. */
export const CLAIMED = 8;
/** Somebody (`FRAME_UPDATER`) has the sole right to change this page by the CPU. */
export const UPDATING = 16;
/** Somebody sleeps on `FRAME_WAKE`: the next transition that could please a sleeper clears this bit and wakes all. */
export const WAITERS = 32;
/** Truncate cut the page off: it is out of the table for good, and its frame is free once nobody holds it. */
export const ORPHAN = 64;
/** A copy for writeback lost too often: no update may begin. Valid only together with WRITEBACK. */
export const HOLD = 128;
/** 2-bit use count for replacement: 0, 1 or 2. */
export const USE_ONE = 256;
export const USE_FULL = 512;
export const USE_MASK = 768;
/** Write pins: 10 bits, exact. A full counter is an error, never a carry. */
export const WRITE_ONE = 1024;
export const WRITE_MASK = 1047552;
/** Read pins: 12 bits, exact. */
export const READ_ONE = 1048576;
export const READ_MASK = -1048576;
export const PIN_MASK = -1024;

// -- Frame descriptor: one 64-byte line. ---------------------------------------------------------------------------

export const FRAME_BYTES = 64;
export const FRAME_STATE = 0;
/** Moves before the drop of a write pin and before the end of a claim: a view that sees it move starts again. */
export const FRAME_VERSION = 4;
/** Wake sequence: sleepers wait for it to move. */
export const FRAME_WAKE = 8;
/** File id, −1 when the frame has no identity. Changes only under CLAIMED. */
export const FRAME_FILE = 12;
/** Page index, an u32. Changes only under CLAIMED. */
export const FRAME_INDEX = 16;
/** Next frame + 1 in the bucket's overflow chain; written under the bucket's sequence. */
export const FRAME_LINK = 20;
/** Owner + 1 while CLAIMED, else stale. */
export const FRAME_CLAIMER = 24;
/** Owner + 1 while WRITEBACK, else stale. */
export const FRAME_WRITER = 28;
/** `(owner + 1) * 8 + depth` while UPDATING, else stale. */
export const FRAME_UPDATER = 32;
/** Reading of the cache's coarse clock (ms) when the page last became dirty. */
export const FRAME_DIRTIED_AT = 36;
/** Number of the flush that covers the last write of this page, 0 if it was never written since its fill. */
export const FRAME_COVER = 40;
/** Even: bytes whole. Odd: half changed by an update. A pin never moves it. */
export const FRAME_USEQ = 44;
/**
 * Counts writebacks; moves when one has published all about its end, before the CAS that drops WRITEBACK. Who waits for
 * one of them to end so knows it from the next; who drops a write pin knows whether one ran meanwhile.
 */
export const FRAME_WRITEBACKS = 48;
/** Where the page stands for replacement: `admission * 4 + place`. A hint. */
export const FRAME_QUEUE = 52;
/** On probation: in the ring, at its admission's number. Touches count once it is older than the correlation window. */
export const PLACE_PROBATION = 0;
/** Swept by the hand: it was used on probation, or came back soon after it was taken. */
export const PLACE_MAIN = 1;
/** Read once, says its reader: in a ring of its own, the first to go. Touches don't count. */
export const PLACE_ONCE = 2;
/** Main's, and not touched since it came back: the lookup that it was brought in for does not count. */
export const PLACE_FRESH = 3;

// -- Bucket: one 64-byte line of the lookup table: a sequence, an overflow head, 14 entries. --------------------------

export const BUCKET_BYTES = 64;
export const BUCKET_BIAS = 64;
/** Even: at rest. Odd: being changed, in one straight-line section. Moves with every change. */
export const BUCKET_SEQ = 64;
/** First frame + 1 of the keys that found no entry free. */
export const BUCKET_OVERFLOW = 68;
/** Entry: tag (the hash's high bits) and frame + 1 (the low bits); 0 when free. */
export const BUCKET_ENTRIES = 72;
export const ENTRIES = 14;

// -- Row: what one owner (an attached thread) holds, so that its death can be survived. -----------------------------

export const ROW_BIAS = 128;
/** Generation and status: `generation * 8 + status`. */
export const ROW_STATUS = 128;
export const STATUS_MASK = 7;
export const GENERATION_ONE = 8;
export const ROW_FREE = 0;
export const ROW_LIVE = 1;
export const ROW_STARTING = 2;
/** The thread ends by itself; what it holds is dropped when it is gone (its reads into pinned pages may still land). */
export const ROW_LEAVING = 3;
/** The thread that created the owner's saw it end: nobody has to ask the system. */
export const ROW_DEAD = 4;
/** The owner is dead; what it held is being given back by ROW_RECOVERER. */
export const ROW_RECOVERING = 5;
/** What the owner is: a user's thread, a flusher, the file worker. */
export const ROW_KIND = 132;
export const KIND_USER = 0;
export const KIND_FLUSHER = 1;
export const KIND_FILES = 2;
/** OS thread id and start time (clock ticks since boot), 0 where they can't be read. */
export const ROW_TID = 136;
export const ROW_START_LO = 140;
export const ROW_START_HI = 144;
/** `worker_threads.threadId`. */
export const ROW_THREAD = 148;
/** Moves when one of the row's requests is done. */
export const ROW_WAKE = 152;
/** Bit per request that waits for a service thread, one word per service class. */
export const ROW_PENDING = 156;
export const ROW_PENDING_FILES = 160;
/** Frame + 1 that this owner has CLAIMED. */
export const ROW_CLAIM = 164;
export const ROW_CLAIM_STAGE = 168;
/** The claimed frame still has its old identity in the table. */
export const STAGE_TAKEN = 1;
/** The claimed frame has no identity. */
export const STAGE_DETACHED = 2;
/** The claimed frame has its new identity in the table and is being filled. */
export const STAGE_FILLING = 3;
/** File + 1 whose round this owner leads. */
export const ROW_ROUND = 172;
/** File + 1 whose flush lock this owner holds. */
export const ROW_FLUSH = 176;
/** Results of a kernel call beside its return value; private to the owner. */
export const ROW_OUT = 180;
export const OUT_WORDS = 8;
/** Stack of open views: frame, useq, version; private to the owner. */
export const ROW_VIEWS = 216;
export const VIEW_BYTES = 12;
export const VIEW_DEPTH = 16;
/** Monotonic counters of 64 bits. Written by the owner alone. */
export const ROW_COUNTERS = 408;
export const COUNT_HITS = 408;
export const COUNT_MISSES = 416;
export const COUNT_FILLS = 424;
export const COUNT_RECLAIMS = 432;
export const COUNT_DIRTIED = 440;
export const COUNT_BOUNCED = 448;
export const COUNT_SKIPPED = 456;
export const COUNT_WRITTEN = 464;
export const COUNT_FLUSHES = 472;
export const COUNT_FSYNCS = 480;
export const COUNT_THROTTLES = 488;
export const COUNT_ORPHANS = 496;
export const COUNT_ERRORS = 504;
/** Gauges: this owner's share, which may be negative; the sum over all rows is the gauge. */
export const GAUGE_RESIDENT = 512;
export const GAUGE_DIRTY = 516;
export const GAUGE_PINNED_DIRTY = 520;
export const GAUGE_WRITEBACK = 524;
/** Requests to service threads. */
export const ROW_REQUESTS = 528;
export const REQUESTS = 16;
export const REQUEST_BYTES = 32;
export const REQUEST_STATE = 528;
export const REQUEST_FREE = 0;
/** Pending: this plus 4 times the service class, so that no other class's thread takes it. */
export const REQUEST_PENDING = 1;
export const REQUEST_RUNNING = 2;
export const REQUEST_DONE = 3;
export const REQUEST_KIND = 532;
/** The kind whose answer is a reference to a file, and whose path is in the path area REQUEST_A until it is answered. */
export const OPEN_REQUEST = 3;
/**
 * The kind that nobody waits for: it is free again when it is done. It has slots of its own, the last of them, so that its
 * owner knows it by its slot.
 */
export const AHEAD_REQUEST = 8;
export const AHEAD_REQUESTS = 4;
export const REQUEST_FILE = 536;
export const REQUEST_A = 540;
export const REQUEST_B = 544;
export const REQUEST_RESULT = 548;
export const REQUEST_RESULT_B = 552;
export const REQUEST_SERVER = 556;
/** Frames in WRITEBACK by this owner: `(frame + 1) * 2 + bounced`, 0 when free. */
export const ROW_WRITEBACKS = 1040;
export const WRITEBACKS = 64;
/**
 * Open updates of this owner, by depth. Plain stores: other threads read range and undo only between two equal looks at
 * the frame's odd useq, and the stage only when this owner is dead.
 */
export const ROW_UPDATES = 1296;
export const UPDATES = 4;
export const UPDATE_BYTES = 32;
/** 0: none. 1: owns UPDATING. 2: the before-image is published. */
export const UPDATE_STAGE = 1296;
/** The bytes that the update may change: `offset * 65,536 + length - 1`. */
export const UPDATE_RANGE = 1300;
/** Frame + 1 that holds the before-image, at the offset that it has in its page. Claimed at first use, kept until detach. */
export const UPDATE_UNDO = 1304;
/** Pin slot + 1 of the read pin under the update. */
export const UPDATE_SLOT = 1308;
/** The file's size must be at least this when the update is committed; 0: it raises nothing. */
export const UPDATE_SIZE_LO = 1312;
export const UPDATE_SIZE_HI = 1316;
/** The file's FILE_CUT_SEQ under UPDATING: if it has moved, or is odd, this update may not raise the size. */
export const UPDATE_CUT_SEQ = 1320;
/** Who recovers this dead row: `generation * 2,048 + owner + 1` of that owner; 0: nobody now. */
export const ROW_RECOVERER = 1424;
/** File + 1 that this owner truncates. */
export const ROW_CUT = 1428;
/** File + 1 to which the file worker has a reference that belongs to the request it serves. */
export const ROW_OPENING = 1432;
/** Coarse time (ms) at which somebody last started a service thread for this row. */
export const ROW_STARTED = 1436;
/** Level + 1 of the update that keeps others from the new last page while ROW_CUT's size is published; 0: none. */
export const ROW_CUT_TAIL = 1440;
/** Descriptor + 1 that the file worker has opened and that no file's row names yet; 0: none. */
export const ROW_FD = 1444;
/** The same of the file's descriptor for direct I/O. */
export const ROW_FD_DIRECT = 1468;
/** Counts pages brought in ahead of need: a counter as those above, where there was room. */
export const COUNT_READAHEAD = 1448;
/** Pins: `frame * 4 + mode`; a free slot holds `~next free slot`. */
export const ROW_PINS = 1472;
/** Behind the pins: a bit per file to which this owner has a reference. */
export const ROW_FILES = 1476;
export const PIN_READ = 1;
export const PIN_WRITE = 2;

// -- File row. -------------------------------------------------------------------------------------------------------

export const FILE_BIAS = 40960;
export const FILE_BYTES = 256;
/** Handles and background users; −1: the row is free or being closed. */
export const FILE_REFS = 40960;
/** Moves each time the row is given to another file. */
export const FILE_GENERATION = 40964;
/** Descriptors + 1: for reading, for writing and flushing. */
export const FILE_FD_READ = 40968;
export const FILE_FD_WRITE = 40972;
export const FILE_DEV_LO = 40976;
export const FILE_DEV_HI = 40980;
export const FILE_INO_LO = 40984;
export const FILE_INO_HI = 40988;
export const FILE_FLAGS = 40992;
/** Created by Pinfold; its directory entry is not yet synced. */
export const FLAG_CREATED = 1;
/** Its pages end with a checksum. As long as the row is this file's. */
export const FLAG_CHECKSUM = 2;
/** When it was opened its last page was torn. It may have been cut off since; who puts pages behind the last one looks. */
export const FLAG_TORN = 4;
/** Size in bytes: two words behind a sequence (odd while they change). */
export const FILE_SIZE_SEQ = 40996;
export const FILE_SIZE_LO = 41000;
export const FILE_SIZE_HI = 41004;
/** Odd while a failed flush makes unstable pages dirty again. */
export const FILE_FAIL_SEQ = 41008;
/** Number of the last flush begun, and of the last that succeeded. */
export const FILE_BEGUN = 41012;
export const FILE_FLUSHED = 41016;
/** Owner + 1 of the one flush that may run. */
export const FILE_FLUSH_LOCK = 41020;
/** Moves when a writeback of this file failed or was recovered. */
export const FILE_WB_FAIL = 41024;
/** Counts pages written; and its value when the last successful flush began. */
export const FILE_WRITES = 41028;
export const FILE_WRITES_FLUSHED = 41032;
/** Ticket of the round that callers may still join; the last that ended; owner + 1 of the one that leads. */
export const FILE_ROUND_OPEN = 41036;
export const FILE_ROUND_DONE = 41040;
export const FILE_ROUND_LEADER = 41044;
/** Wake sequence of the file: rounds, flushes. */
export const FILE_WAKE = 41048;
/** Frames that carry this file id. */
export const FILE_RESIDENT = 41052;
/** Errors from outside of any round: a count, and the last one's errno. */
export const FILE_ERROR_SEQ = 41056;
export const FILE_ERRNO = 41060;
/** Odd while a scanner clears a summary bit, in one straight-line section. */
export const FILE_CLEAR_SEQ = 41064;
/** Coarse clock before which flushers leave this file alone after an error. */
export const FILE_RETRY_AT = 41068;
/** Owner + 1 of the one truncate that may run. */
export const FILE_CUT_LOCK = 41072;
/** Odd: a truncate has published the new size and is not done; nobody raises the size. Moves with FILE_SIZE_SEQ held. */
export const FILE_CUT_SEQ = 41076;
/** The size before that truncate. */
export const FILE_CUT_LO = 41080;
export const FILE_CUT_HI = 41084;
/** Outcomes of the last rounds, by ticket: ticket, errno, pages, bounced, flushes. */
export const FILE_RESULTS = 41088;
export const RESULTS = 4;
export const RESULT_BYTES = 20;
export const RESULT_TICKET = 41088;
export const RESULT_ERRNO = 41092;
export const RESULT_PAGES = 41096;
export const RESULT_BOUNCED = 41100;
export const RESULT_FLUSHES = 41104;
/** The errno of a round whose leader died: those who joined it join another. */
export const ABANDONED = -1;
/** Why the last flush failed; 0: its thread died, so nobody knows whether it did. */
export const FILE_FLUSH_ERRNO = 41168;
/** Descriptors + 1 for direct I/O, which only files opened with `direct` have: for reading, for writing. 0: none. */
export const FILE_FD_DIRECT_READ = 41208;
export const FILE_FD_DIRECT_WRITE = 41212;

// -- Bitmaps. --------------------------------------------------------------------------------------------------------

/** Bit per frame: dirty, or about to be. */
export const DIRTY_BITS = 49152;
/** Per group of 32 frames: moves before a frame of the group gets another identity. */
export const GROUP_EPOCH = 49156;
/** Bit per frame: written since its fill; stable or not is told by FRAME_COVER. */
export const UNSTABLE_BITS = 49160;
/** Per file: bit per group, bit per word of those. */
export const FILE_GROUPS = 49164;
export const FILE_SUMMARY = 49168;

// -- Header. ---------------------------------------------------------------------------------------------------------

export const HEADER_BYTES = 1024;
export const HEADER_MAGIC = 8192;
export const MAGIC = 1346981446;
/** Moves with every change of this file that changes a meaning. */
export const LAYOUT_VERSION = 4;
export const HEADER_VERSION = 8196;
/** Whether the cache is open: attached threads look here on their slow paths. */
export const HEADER_LIFE = 8200;
export const LIFE_OPEN = 1;
export const LIFE_CLOSING = 2;
export const LIFE_CLOSED = 3;
/** The thread that created the cache is gone, and its service threads with it. */
export const LIFE_GONE = 4;
export const HEADER_FRAMES = 8204;
export const HEADER_FRAME_BITS = 8208;
export const HEADER_BUCKET_MASK = 8212;
export const HEADER_ROWS = 8216;
export const HEADER_ROW_BYTES = 8220;
export const HEADER_MAX_PINS = 8224;
export const HEADER_FILES = 8228;
export const HEADER_FILE_WORDS = 8232;
export const HEADER_FILE_SUMMARY_WORDS = 8236;
/** Non-zero: a page stays dirty all the time it is write-pinned. */
export const HEADER_KEEP = 8240;
export const HEADER_AT_BUCKETS = 8244;
export const HEADER_AT_FRAMES = 8248;
export const HEADER_AT_DIRTY = 8252;
export const HEADER_AT_EPOCHS = 8256;
export const HEADER_AT_UNSTABLE = 8260;
export const HEADER_AT_GROUPS = 8264;
export const HEADER_AT_SUMMARY = 8268;
export const HEADER_AT_FILES = 8272;
export const HEADER_AT_ROWS = 8276;
export const HEADER_AT_PATHS = 8280;
export const HEADER_SERVICE_ROWS = 8284;
export const HEADER_STAGING_AREAS = 8288;
/** The creator's row, and its status word while it lives. */
export const HEADER_CREATOR = 8292;
export const HEADER_CREATOR_STATUS = 8296;
/** Frames cut off by truncate that somebody still held at that moment and that are not free yet. */
export const HEADER_ORPHANS = 8300;
/** Where the sweep stands. It begins a line that every miss moves. */
export const HEADER_HAND = 8320;
/** Where the search for free frames stands. */
export const HEADER_SEEK = 8324;
/** Admissions to the ring of pages on probation, and those that have left it; behind them the same for pages that are read once. */
export const HEADER_ADMITTED = 8328;
export const HEADER_LEFT = 8332;
export const HEADER_ONCE_ADMITTED = 8336;
export const HEADER_ONCE_LEFT = 8340;
/** Pages that the ghosts have been told of: the time that they go by. */
export const HEADER_GHOSTED = 8344;
/** Pages on probation from which on its oldest are taken, in 16ths: it follows what comes back. */
export const HEADER_TARGET = 8348;
/** When the hand last began a revolution, and how long those take, in HEADER_GHOSTED's time. */
export const HEADER_REVOLVED_AT = 8352;
export const HEADER_REVOLUTION = 8356;
/** Pages taken lately from probation, and by the hand. */
export const HEADER_TAKEN_EARLY = 8360;
export const HEADER_TAKEN_LATE = 8364;
/** Rung for flushers, for the file worker. */
export const HEADER_BELL = 8384;
export const HEADER_BELL_FILES = 8388;
/** Coarse clock: ms since the cache was created, moved on by flushers. */
export const HEADER_CLOCK = 8392;
/** When somebody last looked for dead owners, by the same clock. */
export const HEADER_LOOKED = 8396;
/** File + 1 that a writer wants flushed, since pages that wait for its flush hold it up; 0: none. The last one asked for. */
export const HEADER_FLUSH_ASKED = 8400;
export const HEADER_STAGING_WAKE = 8448;
/** Owner + 1 per staging area. */
export const HEADER_STAGING = 8452;
export const MAX_STAGING = 32;
/** Owner + 1 per path area, and the wake sequence of all. */
export const HEADER_PATHS_WAKE = 8640;
export const HEADER_PATHS = 8644;
export const PATH_AREAS = 8;
export const PATH_BYTES = 4096;
/** The least and the most that HEADER_TARGET is, in pages; the least is 0 in a small pool, where the hand alone decides. */
export const HEADER_PROBATION = 8704;
export const HEADER_PROBATION_MOST = 8748;
/** Admissions for which a page's touches don't count. */
export const HEADER_WINDOW = 8708;
/** Pages read once that may stay. */
export const HEADER_ONCE = 8712;
/** Entries of the rings, powers of two, less one. */
export const HEADER_RING_MASK = 8716;
export const HEADER_ONCE_MASK = 8720;
/** Lines of ghosts, and how old one may be, in `1 << HEADER_GHOST_SHIFT` pages that the ghosts were told of. */
export const HEADER_GHOST_LINES = 8724;
export const HEADER_GHOST_AGE = 8728;
export const HEADER_GHOST_SHIFT = 8732;
export const HEADER_AT_RING = 8736;
export const HEADER_AT_ONCE = 8740;
export const HEADER_AT_GHOSTS = 8744;
/** One less than a power of two: at each so many pages told of, what was taken lately counts an eighth less. */
export const HEADER_LATELY_MASK = 8752;

// -- Queues: hints for replacement. ----------------------------------------------------------------------------------

/** Entries of either ring: frame + 1 by admission; stale if the frame's FRAME_QUEUE says another one. */
export const RING = 49172;
/** Ghost: a fingerprint of a page that was taken, where it stood, and when; 0 when free. */
export const GHOSTS = 49184;
export const GHOST_LINE_BYTES = 32;
export const GHOSTS_PER_LINE = 8;

// -- What kernel calls return when it is neither a frame nor a slot. --------------------------------------------------

export const MISS = -1;
/** The page's frame is CLAIMED or being updated: wait for frame OUT[0]. */
export const BUSY = -2;
/** This owner holds as many pins as it may. */
export const NO_PIN_SLOT = -3;
/** The frame's pin counter is full. */
export const PIN_COUNT_FULL = -4;
export const NOT_PINNED = -5;
/** The sweep found no frame to take: OUT tells why. */
export const NO_FRAME = -6;
/** The page has a frame already. */
export const EXISTS = -7;
export const TOO_DEEP = -8;
/** start writeback: the page is clean / pinned and the policy skips those / of another file. */
export const CLEAN = -9;
export const PINNED = -10;
export const GONE = -11;
export const NO_ROW = -12;
/** This owner has an update of this very page open. */
export const REENTRANT = -13;
