// Vitest ends its forks by a signal, and V8 writes coverage at a regular exit only: write it after each file.
import { takeCoverage } from 'node:v8';
import { afterAll } from 'vitest';

afterAll(() => takeCoverage()); // does nothing unless NODE_V8_COVERAGE is set
