/** What a gateway makes of the numbers of a worker's own batches and of its region's: whether something is missing. */
import { beforeEach, expect, test } from 'vitest';
import { gatewayLimits } from '../../../actors/gateway-limits.ts';
import { checkBatch, checkRegionBatch } from '../../../actors/gateway-numbers.ts';
import { createGatewayState, slotFor, type Turn } from '../../../actors/gateway-state.ts';
import type { Incarnation } from '../../../protocol/ids.ts';
import { GENERAL } from '../../support/actor-lab.ts';

const WORKER = 'w-1' as Incarnation;

let turn: Turn;
beforeEach(() => {
  const state = createGatewayState({ region: 'here', incarnation: 'g-1' as Incarnation }, gatewayLimits);
  turn = { state, nowMs: 0, out: [] };
});

const slotsOf = () => [slotFor(turn, GENERAL).number];
const region = (number: number) => checkRegionBatch(turn, WORKER, number, slotsOf);
/** A beat that says which region batches were sent since the worker first spoke to this gateway. */
const beat = (from: number, to: number) =>
  checkBatch(turn, { worker: WORKER, number: 0, entries: [], region: { from, to } }, slotsOf);
const holes = () => turn.state.counts.holes;

test('region batches that come one after the other are all there, wherever they begin', () => {
  for (const number of [7, 8, 9]) region(number);
  beat(6, 9);
  beat(8, 9);
  expect(holes()).toBe(0);
});

test('one between two is missing', () => {
  region(7);
  region(9);
  expect(holes()).toBe(1);
  expect(slotFor(turn, GENERAL).checkAll).toBe(true);
});

test('the last one is missing when a beat knows of it, and is asked for once', () => {
  region(7);
  beat(6, 8);
  beat(6, 8);
  expect(holes()).toBe(1);
});

test('the first one is missing when a beat says that it was sent since this gateway was spoken to', () => {
  region(8);
  beat(6, 8);
  beat(6, 8);
  expect(holes()).toBe(1);
});

test('all of them are missing when none came', () => {
  beat(6, 7);
  expect(holes()).toBe(1);
});

test('what came twice, or late, is no hole', () => {
  for (const number of [7, 8, 8, 7]) region(number);
  beat(6, 8);
  expect(holes()).toBe(0);
});
