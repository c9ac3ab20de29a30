import { expect, it } from 'vitest';
import { ActionMeter, sumActions } from '../../../bench/action-meter.ts';

it('tells how many actions were passed over, beside those that were due', () => {
  const meter = new ActionMeter();
  meter.due('typing');
  meter.passOver('typing');
  meter.passOver('typing');
  const { typing, join } = sumActions([meter.report(), meter.report()]);
  expect([typing.due, typing.passedOver, join.passedOver]).toEqual([2, 4, 0]);
});
