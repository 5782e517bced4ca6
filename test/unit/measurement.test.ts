import { Logger } from '@nestjs/common';
import { measurement } from '../../src/http/measurement.js';

it('A measurement reaches each listener until it unsubscribes, also where another listener throws', async () => {
  const failed = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
  const counted = measurement<{ readonly count: number }>('test-of-listeners');
  const heard: number[] = [];
  counted.subscribe(() => {
    throw new Error('It cannot count.');
  });
  const unsubscribe = counted.subscribe(({ count }) => heard.push(count));

  counted.record({ count: 1 });
  // Thrown errors of listeners reach the process on the next tick.
  await new Promise((resolve) => setImmediate(resolve));
  counted.record({ count: 2 });
  unsubscribe();
  counted.record({ count: 3 });

  expect(heard).toEqual([1, 2]);
  expect(failed).toHaveBeenCalledTimes(3);
});
