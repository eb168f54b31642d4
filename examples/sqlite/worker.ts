// What the example's threads start from.
import { workerData } from 'node:worker_threads';
import { type TransferTask, transfer } from './demo/transfer.ts';
import { type StormTask, takePart } from './storm/writer.ts';

export type Task = StormTask | TransferTask;

const task = workerData as Task;
if (task.role === 'transfer') await transfer(task);
else await takePart(task);
