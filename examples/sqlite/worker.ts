// What the example's threads start from.
import { workerData } from 'node:worker_threads';
import { type TransferTask, transfer } from './demo/transfer.ts';
import { measure, type SpeedTask } from './speed/thread.ts';
import { type StormTask, takePart } from './storm/writer.ts';

export type Task = StormTask | SpeedTask | TransferTask;

const task = workerData as Task;
if (task.role === 'transfer') await transfer(task);
else if (task.role === 'speed') await measure(task);
else await takePart(task);
