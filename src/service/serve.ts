import { parentPort, workerData } from 'node:worker_threads';
import { Attachment, type HandleParts } from '../attachment';
import type { PinfoldError } from '../errors';
import type { Told } from '../observer';
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
  const attachment = attach(handle, storeFor(handle), role, (told) => parentPort?.postMessage(told));
  if (attachment === undefined) return;
  parentPort?.postMessage('attached');
  if (role === 'files') await runFileWorker(attachment);
  else runFlusher(attachment);
  attachment.kernel.control.detach();
}

/** Takes a row of its class; undefined if there are enough without this one, which another thread has started too. */
function attach(
  handle: HandleParts,
  store: Store,
  role: ServiceData['role'],
  tell: (told: Told) => void,
): Attachment | undefined {
  try {
    return new Attachment(handle, store, role, tell);
  } catch (error) {
    if ((error as PinfoldError).code === 'ERR_PINFOLD_THREADS') return undefined;
    throw error;
  }
}
