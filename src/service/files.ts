// The file worker: opens and closes files, so that no user thread's death closes a descriptor, and brings pages in for
// threads whose event loop must not block.
import fs from 'node:fs';
import { createServer, type Server } from 'node:net';
import { constants } from 'node:os';
import type { Attachment } from '../attachment';
import { closeDescriptors } from '../descriptors';
import { isChecksummed } from '../kernel/format';
import { FILE_WORKER_ROWS } from '../kernel/geometry';
import { type FileId, type FileIdentity, type FrameId, high, low } from '../kernel/kernel';
import * as L from '../kernel/layout';
import { elders, isAlive } from '../liveness';
import { openFlag, openStatus } from '../openRequest';
import { type Answer, serviceClass } from '../protocol/effects';
import { statusOf } from '../protocol/failure';
import { awaitBell, isOpen, type Opener, serveAll } from './requests';
import { storedEnd } from './storedEnd';

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
    const checksum = (flags & openFlag.checksum) !== 0;
    let fd = -1;
    let kept = false;
    let leased: FileId | undefined;
    try {
      const already = this.#openAlready(path, writable, checksum);
      if (already !== undefined) return [0, already, 0, 0];
      const { words } = this.#kernel;
      const opened = openPath(path, writable, (flags & openFlag.create) !== 0, words, this.#opening);
      fd = opened.fd;
      const { dev, ino, size, isFile } = statOf(fd);
      if (!isFile) return [isDirectory(fd) ? constants.errno.EISDIR : constants.errno.EINVAL, 0, 0, 0];
      const known = this.#find({ dev, ino });
      if (known !== undefined && isChecksummed(this.#kernel, known) !== checksum) {
        if (!this.#forget(known)) return [openStatus.otherChecksum, 0, 0, 0];
      } else if (known !== undefined) {
        this.#kernel.control.fileRetainForRequest(known);
        kept = this.#addDescriptor(known, fd, writable);
        return [0, known, 0, 0];
      }
      const file = this.#freeRow();
      if (file === undefined) return [constants.errno.ENFILE, 0, 0, 0];
      if (!this.#lease(file, { dev, ino })) return [constants.errno.EBUSY, 0, 0, 0];
      leased = file;
      const end = checksum
        ? storedEnd(this.#attachment, fd, Number(size))
        : { size: Number(size), torn: false };
      if (end === undefined) {
        return [openStatus.corrupt, Math.ceil(Number(size) / this.#attachment.geometry.pageSize) - 1, 0, 0];
      }
      this.#kernel.control.fileSetDescriptors(file, fd, writable ? fd : -1);
      this.#kernel.setSize(file, end.size);
      const rowFlags =
        (opened.created ? L.FLAG_CREATED : 0) |
        (checksum ? L.FLAG_CHECKSUM : 0) |
        (end.torn ? L.FLAG_TORN : 0);
      this.#kernel.control.fileOpen(file, low(dev), high(dev), low(ino), high(ino), rowFlags);
      kept = true;
      return [0, file, 0, 0];
    } catch (error) {
      return [...statusOf(error), 0, 0];
    } finally {
      this.#kernel.words[this.#opening] = 0;
      if (fd >= 0 && !kept) fs.closeSync(fd);
      if (leased !== undefined && !kept) this.#unlease(leased);
    }
  }

  /** Index of the word that holds the descriptor just opened, until a file's row has it: for a successor. */
  get #opening(): number {
    return (this.#kernel.rowAt(this.#kernel.owner) + L.ROW_FD) >> 2;
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
      for (const field of [L.FILE_FD_READ, L.FILE_FD_WRITE]) named.add(kernel.fileWord(id as FileId, field));
    }
    for (let row = serviceRows - FILE_WORKER_ROWS; row < serviceRows; row++) {
      const opened = kernel.rowWord(row, L.ROW_FD);
      kernel.words[(kernel.rowAt(row) + L.ROW_FD) >> 2] = 0;
      if (opened > 0 && !named.has(opened)) fs.closeSync(opened - 1);
    }
  }

  get #kernel() {
    return this.#attachment.kernel;
  }

  /**
   * The file at the path if it is open in this cache as it is wanted, with one more reference. Without opening it again: a
   * descriptor that is only looked at stays behind if this thread is ended meanwhile.
   */
  #openAlready(path: Buffer, writable: boolean, checksum: boolean): FileId | undefined {
    const stat = fs.statSync(path, { bigint: true, throwIfNoEntry: false });
    const known = stat?.isFile() ? this.#find(stat) : undefined;
    if (known === undefined || isChecksummed(this.#kernel, known) !== checksum) return undefined;
    if (writable && this.#kernel.fileWord(known, L.FILE_FD_WRITE) === 0) return undefined;
    return this.#kernel.control.fileRetainForRequest(known) === 1 ? known : undefined;
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

  /** A file that was open for reading only gets a descriptor to write by; else the new descriptor is not needed. */
  #addDescriptor(file: FileId, fd: number, writable: boolean): boolean {
    if (!writable || this.#kernel.fileWord(file, L.FILE_FD_WRITE) !== 0) return false;
    this.#kernel.control.fileSetDescriptors(file, this.#kernel.fileWord(file, L.FILE_FD_READ) - 1, fd);
    return true;
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

/** Opens the file and notes the descriptor in `words[at]` at once. */
function openPath(
  path: Buffer,
  writable: boolean,
  create: boolean,
  words: Int32Array,
  at: number,
): { fd: number; created: boolean } {
  const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NONBLOCK } = fs.constants;
  // O_NONBLOCK: a FIFO must not hold the worker; regular files don't mind.
  const flags = (writable ? O_RDWR : O_RDONLY) | O_NONBLOCK;
  const open = (how: number) => {
    const fd = fs.openSync(path, how, 0o666);
    words[at] = fd + 1; // a plain store: before a call the thread could be ended
    return fd;
  };
  try {
    return { fd: open(flags), created: false };
  } catch (error) {
    if (!create || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  try {
    return { fd: open(flags | O_CREAT | O_EXCL), created: true };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  // Somebody was faster, or it is a symbolic link to nothing, which O_EXCL does not follow: then this creates its target.
  return { fd: open(flags | O_CREAT), created: true };
}

function statOf(fd: number): { dev: bigint; ino: bigint; size: bigint; isFile: boolean } {
  const stat = fs.fstatSync(fd, { bigint: true });
  return { dev: stat.dev, ino: stat.ino, size: stat.size, isFile: stat.isFile() };
}

function isDirectory(fd: number): boolean {
  return fs.fstatSync(fd).isDirectory();
}
