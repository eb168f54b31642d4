#!/usr/bin/env node
// The program `pinfold-bench`; `npm run bench` calls it.
import { commandLine } from './command';
import { endureClosedPipes } from './command/print';

/** A handle that lingers after the report must not keep the command from ending, ms. */
const LINGER_MS = 3_000;

endureClosedPipes();
process.exitCode = await commandLine(process.argv.slice(2));
setTimeout(() => process.exit(), LINGER_MS).unref();
