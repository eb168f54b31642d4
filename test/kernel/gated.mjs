// A thread that makes one call of a kernel with gates in it: `while (word != 0) {}` at the places that a test chose.
import { parentPort, workerData } from 'node:worker_threads';

const { module, memory, rows, call, args } = workerData;
const kernel = new WebAssembly.Instance(module, { env: { memory } }).exports;
kernel.attach(rows.from, rows.to, 0, 0, 0, 0, 0);
parentPort.postMessage(kernel[call](...args));
