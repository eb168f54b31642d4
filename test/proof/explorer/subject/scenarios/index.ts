import type { Scenario } from '../world';
import { ends } from './ends';
import { failures } from './failure';
import { narrows } from './narrow';
import { pins } from './pins';
import { runs } from './runs';
import { truncates } from './truncates';
import { updates } from './updates';
import { writebacks } from './writeback';

export const scenarios: readonly Scenario[] = [
  ...pins,
  ...updates,
  ...writebacks,
  ...failures,
  ...truncates,
  ...runs,
  ...ends,
  ...narrows,
];
