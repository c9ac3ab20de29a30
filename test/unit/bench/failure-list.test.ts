import { expect, it } from 'vitest';
import { FailureList } from '../../../bench/failure-list.ts';

it('tells a failure that came after a report with the next one, and each once', () => {
  const failures = new FailureList();
  failures.add('lost');
  expect(failures.take()).toEqual(['lost']);
  failures.add('came twice, late');
  expect(failures.take()).toEqual(['came twice, late']);
  expect(failures.take()).toEqual([]);
});

it('holds twenty, the first ones', () => {
  const failures = new FailureList();
  for (let count = 1; count <= 30; count += 1) failures.add(`failure ${count}`);
  expect(failures.take()).toHaveLength(20);
});
