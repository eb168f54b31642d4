// The file worker: opens and closes files, so that no user thread's death closes a descriptor, and brings pages in for
// threads whose event loop must not block.
import fs from 'node:fs';
import { createServer, type Server } from 'node:net';
import { constants } from 'node:os';
import type { Attachment } from '../attachment';
import { closeDescriptors, DESCRIPTORS } from '../descriptors';
import { isChecksummed } from '../kernel/format';
import { FILE_WORKER_ROWS } from '../kernel/geometry';
import { type FileId, type FileIdentity, type FrameId, high, low } from '../kernel/kernel';
import * as L from '../kernel/layout';
import { elders, isAlive } from '../liveness';
import { COMMON_CHOICES, openFlag, openStatus } from '../openRequest';
import { type Answer, serviceClass } from '../protocol/effects';
import { statusOf } from '../protocol/failure';
import { NO_DIRECT } from '../store/direct';
import {
  closeOpened,
  directRefusal,
  forget,
  isDirectory,
  journalOf,
  type Opened,
  type OpenedFile,
  openDirect,
  openPath,
  type Stat,
  statOf,
} from './opening';
import { awaitBell, isOpen, type Opener, serveAll } from './requests';
import { type StoredEnd, storedEnd } from './storedEnd';

/** How often the worker looks for files to close when nobody rings, in ms. */
const LOOK_MS = 1000;

/** How long after the last request it looks for them, in ms. */
const QUIET_MS = 10;

/** How long it waits for others' I/O before it closes all files, in ms. */
const IO_MS = 5000;
/** How often a successor looks whether the file worker that it replaces is recovered, in ms. */
const SUCCEED_MS = 2;

export async function runFileWorker(attachment: Attachment): Promise<void> {
  const { kernel } = attachment;
  if (!succeed(attachment)) return;
  const files = new Files(attachment);
  files.takeOver();
  const bellAt = L.HEADER_BELL + 4 * serviceClass.files;
  let turn = 0;
  let looked = 0;
  while (isOpen(attachment)) {
    const bell = kernel.load(bellAt);
    const served = serveAll(attachment, serviceClass.files, turn, files);
    // Not with each request: a page that is waited for must not wait for a look at all files.
    if (served === undefined || attachment.now() >= looked + LOOK_MS) {
      files.closeUnused();
      looked = attachment.now();
    }
    turn = served ?? turn;
    if (files.leasesChanged()) await new Promise(setImmediate); // what they leave to the event loop would pile up
    awaitBell(attachment, serviceClass.files, bell, served === undefined ? LOOK_MS : QUIET_MS);
  }
  awaitIo(attachment);
  files.closeAll();
}

/** The cache is closed: what others have under way in the files ends before their descriptors' numbers are free. */
function awaitIo({ kernel }: Attachment): void {
  const working = [L.ROW_CLAIM, L.ROW_ROUND, L.ROW_FLUSH, L.ROW_CUT];
  const end = performance.now() + IO_MS;
  for (const owner of kernel.owners()) {
    const works = () => working.some((field) => kernel.rowWord(owner, field) !== 0) && isAlive(kernel, owner);
    while (owner !== kernel.owner && works() && performance.now() < end) {
      Atomics.wait(kernel.words, L.HEADER_LIFE >> 2, kernel.load(L.HEADER_LIFE), 1);
    }
  }
}

/** Waits until a dead predecessor is recovered: true. False: there is a living elder one, or the cache's life is over. */
function succeed(attachment: Attachment): boolean {
  const { kernel } = attachment;
  while (isOpen(attachment)) {
    const others = [...kernel.owners()].filter(
      (owner) => owner !== kernel.owner && kernel.rowWord(owner, L.ROW_KIND) === L.KIND_FILES,
    );
    if (others.length === 0) return true;
    if (elders(kernel, L.KIND_FILES) > 0) return false;
    attachment.look(SUCCEED_MS);
    Atomics.wait(kernel.words, L.HEADER_LIFE >> 2, L.LIFE_OPEN, SUCCEED_MS);
  }
  return false;
}

interface Lease {
  readonly identity: string;
  /** Undefined: another cache was quicker than the successor of a dead file worker. */
  readonly server: Server | undefined;
}

class Files implements Opener {
  readonly #attachment: Attachment;
  /** What tells other caches of this process that a file is taken. */
  readonly #leases = new Map<FileId, Lease>();
  /** The same files by device and inode: opening one must not take a look at all. */
  readonly #byIdentity = new Map<string, FileId>();
  /** Where the search for a free row starts. */
  #freeFrom = 0;
  #changed = false;

  constructor(attachment: Attachment) {
    this.#attachment = attachment;
  }

  /** [errno or status, file id]. */
  open(area: number, flags: number): Answer {
    const path = this.#takePath(area);
    const writable = (flags & openFlag.write) !== 0;
    const choices = flags & COMMON_CHOICES;
    const journal = journalOf(this.#attachment, this.#kernel.owner);
    const opened = { fd: -1, direct: NO_DIRECT, writable, created: false };
    let kept = false;
    try {
      const already = this.#openAlready(path, writable, choices);
      if (already !== undefined) return [0, already, 0, 0];
      Object.assign(opened, openPath(path, writable, (flags & openFlag.create) !== 0, journal));
      const stat = statOf(opened.fd);
      if (!stat.isFile)
        return [isDirectory(opened.fd) ? constants.errno.EISDIR : constants.errno.EINVAL, 0, 0, 0];
      const others = this.#refuseChoices(stat, choices);
      if (others !== undefined) return [openStatus.otherChoices, others, 0, 0];
      const known = this.#find(stat);
      if (known !== undefined && this.#isEnough(known, writable)) {
        this.#kernel.control.fileRetainForRequest(known);
        return [0, known, 0, 0];
      }
      if (choices & openFlag.direct) {
        const direct = openDirect(opened.fd, writable, journal, fs.constants.O_DIRECT);
        if (direct < 0) return [openStatus.notDirect, -direct, 0, 0];
        opened.direct = direct;
      }
      const answer =
        known === undefined ? this.#openNew(opened, stat, choices) : this.#addWriting(known, opened);
      kept = answer[0] === 0;
      return answer;
    } catch (error) {
      return [...statusOf(error), 0, 0];
    } finally {
      forget(journal);
      if (!kept) closeOpened(opened);
    }
  }

  /** Gives the file just opened a row, if it can be had in the way that was chosen. */
  #openNew(opened: OpenedFile, { dev, ino, size }: Stat, choices: number): Answer {
    const attachment = this.#attachment;
    const { fd, direct, writable, created } = opened;
    const refused = direct === NO_DIRECT ? 0 : directRefusal(attachment, opened);
    if (refused !== 0) return [openStatus.notDirect, refused, 0, 0];
    const file = this.#freeRow();
    if (file === undefined) return [constants.errno.ENFILE, 0, 0, 0];
    if (!this.#lease(file, { dev, ino })) return [constants.errno.EBUSY, 0, 0, 0];
    const checksum = (choices & openFlag.checksum) !== 0;
    const stored = Number(size);
    let end: StoredEnd | undefined;
    try {
      end = checksum ? storedEnd(attachment, opened, stored) : { size: stored, torn: false };
    } finally {
      if (end === undefined) this.#unlease(file);
    }
    if (end === undefined)
      return [openStatus.corrupt, Math.ceil(stored / attachment.geometry.pageSize) - 1, 0, 0];
    const { control } = this.#kernel;
    control.fileSetDescriptors(file, fd, writable ? fd : -1, direct, writable ? direct : -1);
    this.#kernel.setSize(file, end.size);
    const flags =
      (created ? L.FLAG_CREATED : 0) | (checksum ? L.FLAG_CHECKSUM : 0) | (end.torn ? L.FLAG_TORN : 0);
    control.fileOpen(file, low(dev), high(dev), low(ino), high(ino), flags);
    return [0, file, 0, 0];
  }

  /**
   * Takes over the files of a predecessor that died: its descriptors live on, what told other caches of them ended with it.
   * A row that it had not made an open file yet, or was closing, may have descriptors that nobody else knows. In a cache
   * that was created in a worker they ended with it, and the cache can't go on.
   */
  takeOver(): void {
    const kernel = this.#kernel;
    const { handle, geometry } = this.#attachment;
    if (handle.guarded) {
      for (let id = 0; id < geometry.files; id++) {
        if (kernel.fileWord(id as FileId, L.FILE_FD_READ) === 0) continue;
        kernel.control.setLife(L.LIFE_CLOSED);
        return;
      }
    } else this.#closeUnnamed();
    for (let id = 0; id < geometry.files; id++) {
      const file = id as FileId;
      if (kernel.fileWord(file, L.FILE_REFS) < 0) {
        closeDescriptors(this.#kernel, file);
        continue;
      }
      const word = (lowField: number, highField: number) =>
        BigInt(kernel.fileWord(file, lowField) >>> 0) | (BigInt(kernel.fileWord(file, highField)) << 32n);
      const dev = word(L.FILE_DEV_LO, L.FILE_DEV_HI);
      const ino = word(L.FILE_INO_LO, L.FILE_INO_HI);
      if (!this.#lease(file, { dev, ino })) this.#keep(file, { dev, ino }, undefined); // too late to refuse
    }
  }

  /** Closes what a predecessor had opened when it died, and no file's row names. */
  #closeUnnamed(): void {
    const kernel = this.#kernel;
    const { serviceRows, files } = this.#attachment.geometry;
    const named = new Set<number>();
    for (let id = 0; id < files; id++) {
      for (const field of DESCRIPTORS) named.add(kernel.fileWord(id as FileId, field));
    }
    for (let row = serviceRows - FILE_WORKER_ROWS; row < serviceRows; row++) {
      const opened = [L.ROW_FD, L.ROW_FD_DIRECT].map((field) => kernel.rowWord(row, field));
      forget(journalOf(this.#attachment, row));
      for (const fd of opened) if (fd > 0 && !named.has(fd)) fs.closeSync(fd - 1);
    }
  }

  get #kernel() {
    return this.#attachment.kernel;
  }

  /**
   * The file at the path if it is open in this cache as it is wanted, with one more reference. Without opening it again: a
   * descriptor that is only looked at stays behind if this thread is ended meanwhile.
   */
  #openAlready(path: Buffer, writable: boolean, choices: number): FileId | undefined {
    const stat = fs.statSync(path, { bigint: true, throwIfNoEntry: false });
    const known = stat?.isFile() ? this.#find(stat) : undefined;
    if (known === undefined || this.#choicesOf(known) !== choices) return undefined;
    if (!this.#isEnough(known, writable)) return undefined;
    return this.#kernel.control.fileRetainForRequest(known) === 1 ? known : undefined;
  }

  /** The choices that stand in the way of these, if the file is open with others; one that nobody needs is closed instead. */
  #refuseChoices(identity: FileIdentity, choices: number): number | undefined {
    const known = this.#find(identity);
    if (known === undefined) return undefined;
    const others = this.#choicesOf(known);
    return others === choices || this.#forget(known) ? undefined : others;
  }

  /** How a file is open, of what all who have it open choose alike. */
  #choicesOf(file: FileId): number {
    const isDirect = this.#kernel.fileWord(file, L.FILE_FD_DIRECT_READ) !== 0;
    return (isChecksummed(this.#kernel, file) ? openFlag.checksum : 0) | (isDirect ? openFlag.direct : 0);
  }

  #takePath(area: number): Buffer {
    const { words } = this.#kernel;
    const at = this.#kernel.load(L.HEADER_AT_PATHS) + area * L.PATH_BYTES;
    const length = new DataView(words.buffer).getInt32(at, true);
    return Buffer.from(Buffer.from(words.buffer as ArrayBuffer, at + 4, length)); // fs takes no shared memory for a path
  }

  #find(identity: FileIdentity): FileId | undefined {
    const file = this.#byIdentity.get(nameOf(identity));
    return file !== undefined && this.#kernel.fileWord(file, L.FILE_REFS) >= 0 ? file : undefined;
  }

  /** Closes a file that nobody has open, with its pages: false if somebody has, or some are not stable. */
  #forget(file: FileId): boolean {
    if (this.#kernel.fileWord(file, L.FILE_REFS) !== 0) return false;
    this.#evictPages(file);
    if (this.#kernel.control.fileRetire(file) !== 1) return false;
    this.#close(file);
    return true;
  }

  /** Whether the file's descriptors are all that its next user needs. */
  #isEnough(file: FileId, writable: boolean): boolean {
    return !writable || this.#kernel.fileWord(file, L.FILE_FD_WRITE) !== 0;
  }

  /** A file that was open for reading only gets descriptors to write by. Its others stay: reads may be under way. */
  #addWriting(file: FileId, { fd, direct }: Opened): Answer {
    const { control } = this.#kernel;
    control.fileRetainForRequest(file);
    const read = this.#kernel.fileWord(file, L.FILE_FD_READ) - 1;
    const directRead = this.#kernel.fileWord(file, L.FILE_FD_DIRECT_READ) - 1;
    control.fileSetDescriptors(file, read, fd, directRead, direct);
    return [0, file, 0, 0];
  }

  #freeRow(): FileId | undefined {
    const { files } = this.#attachment.geometry;
    const free = () => {
      for (let n = 0; n < files; n++) {
        const file = ((this.#freeFrom + n) % files) as FileId;
        if (this.#kernel.fileWord(file, L.FILE_REFS) >= 0 || this.#leases.has(file)) continue;
        this.#freeFrom = file + 1;
        return file;
      }
      return undefined;
    };
    const first = free();
    if (first !== undefined) return first;
    this.#evictUnused();
    this.closeUnused();
    return free();
  }

  /** Takes the clean pages of files that nobody has open out of the cache. */
  #evictUnused(): void {
    for (let id = 0; id < this.#attachment.geometry.frames; id++) {
      const frame = id as FrameId;
      const file = this.#kernel.frameWord(frame, L.FRAME_FILE) as FileId;
      if (file >= 0 && this.#kernel.fileWord(file, L.FILE_REFS) === 0) this.#kernel.control.evict(frame);
    }
  }

  /** Takes the clean pages of one file out of the cache. */
  #evictPages(file: FileId): void {
    for (let id = 0; id < this.#attachment.geometry.frames; id++) {
      const frame = id as FrameId;
      if (this.#kernel.frameWord(frame, L.FRAME_FILE) === file) this.#kernel.control.evict(frame);
    }
  }

  /** Closes the files that nobody has open and no frame carries. */
  closeUnused(): void {
    for (const file of [...this.#leases.keys()]) {
      if (this.#kernel.fileWord(file, L.FILE_REFS) === 0 && this.#kernel.control.fileRetire(file) === 1)
        this.#close(file);
    }
  }

  /** Whether leases came or went since the last call. */
  leasesChanged(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    return changed;
  }

  closeAll(): void {
    for (const file of [...this.#leases.keys()]) this.#close(file);
  }

  #close(file: FileId): void {
    const write = this.#kernel.fileWord(file, L.FILE_FD_WRITE) - 1;
    // Nobody has fsynced the file that we created; its next opener would not know.
    if (write >= 0 && this.#kernel.fileWord(file, L.FILE_FLAGS) & L.FLAG_CREATED)
      this.#attachment.store.syncDirectory(write);
    closeDescriptors(this.#kernel, file);
    this.#unlease(file);
  }

  #unlease(file: FileId): void {
    this.#changed = true;
    const lease = this.#leases.get(file);
    if (lease === undefined) return;
    lease.server?.close();
    this.#leases.delete(file);
    this.#byIdentity.delete(lease.identity);
  }

  /**
   * Marks the file as taken by this cache in this process: false if another cache has it. The mark is an abstract Unix
   * socket that nobody connects to: it is atomic, seen by all threads, and gone with the process however that ends.
   */
  #lease(file: FileId, identity: FileIdentity): boolean {
    this.#changed = true;
    const server = createServer();
    server.on('error', () => {});
    if (process.platform === 'linux') {
      server.listen({ path: `\0pinfold-${process.pid}-${nameOf(identity)}`, exclusive: true });
      if (!server.listening) return false;
      server.unref();
    }
    this.#keep(file, identity, server);
    return true;
  }

  #keep(file: FileId, identity: FileIdentity, server: Server | undefined): void {
    this.#leases.set(file, { identity: nameOf(identity), server });
    this.#byIdentity.set(nameOf(identity), file);
  }
}

const nameOf = ({ dev, ino }: FileIdentity) => `${dev}-${ino}`;
