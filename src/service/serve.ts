import { parentPort, workerData } from 'node:worker_threads';
import { Attachment, type HandleParts } from '../attachment';
import type { Store } from '../store/store';
import { runFileWorker } from './files';
import { runFlusher } from './flusher';

/** What a service thread is started with. */
export interface ServiceData {
  readonly handle: HandleParts;
  readonly role: 'flusher' | 'files';
}

/** The main program of a service thread. Its event loop hardly turns while it serves: it works and sleeps in place. */
export async function serveAs(storeFor: (handle: HandleParts) => Store): Promise<void> {
  const { handle, role } = workerData as ServiceData;
  const attachment = new Attachment(handle, storeFor(handle), role);
  parentPort?.postMessage('attached');
  if (role === 'files') await runFileWorker(attachment);
  else runFlusher(attachment);
  attachment.kernel.control.detach();
}
