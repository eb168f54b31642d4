// Preloaded into a program, and so into its threads: writes down what is done to one file, and what is told on stdout, in order.
// A call is written down before it begins and after it has ended, each by one append.
const fs = require('node:fs');
const { threadId } = require('node:worker_threads');

const { WRITE_LOG: log, WRITE_LOG_OF: path } = process.env;
const { writeSync, fdatasyncSync, ftruncateSync } = fs;
const fd = fs.openSync(log, 'a');
const STDOUT = 1;
let calls = 0;

const isOurs = (file) => fs.readlinkSync(`/proc/self/fd/${file}`) === path;
const note = (line) => writeSync(fd, `${JSON.stringify(line)}\n`);

function logged(kind, details, call) {
  const id = `${threadId}.${++calls}`;
  note({ id, kind, ...details });
  const result = call();
  note({ id, kind: 'ended' });
  return result;
}

fs.writeSync = (file, bytes, ...rest) => {
  if (file === STDOUT) {
    note({ kind: 'told', text: `${bytes}` });
    return writeSync(file, bytes, ...rest);
  }
  if (!isOurs(file)) return writeSync(file, bytes, ...rest);
  const [offset, length, position] = rest;
  const data = Buffer.from(bytes.subarray(offset, offset + length)).toString('base64');
  return logged('write', { position, data }, () => writeSync(file, bytes, ...rest));
};
fs.fdatasyncSync = (file) =>
  isOurs(file) ? logged('flush', {}, () => fdatasyncSync(file)) : fdatasyncSync(file);
fs.ftruncateSync = (file, size) =>
  isOurs(file) ? logged('resize', { size }, () => ftruncateSync(file, size)) : ftruncateSync(file, size);
