// A process that is under a broken device, or under strace: it does its calls and prints what they came to.
import { doCases } from './cases.ts';
import { callAll, type Mode } from './syscalls.ts';

const [what, path, argument, direct] = process.argv.slice(2) as [string, string, string, string];
const report =
  what === 'cases' ? await doCases(path, argument) : await callAll(path, argument as Mode, direct === 'true');
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
