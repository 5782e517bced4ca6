import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import type { Type } from '@nestjs/common';
import { HandlerMark } from '../../src/http/handler-mark.js';

const SIZE = new HandlerMark<number>();
const OTHER = new HandlerMark<number>();

class Base {
  unmarked(this: void): void {}

  @SIZE.set(1)
  small(this: void): void {}
}

@SIZE.set(7)
class Marked extends Base {
  @SIZE.set(0)
  none(this: void): void {}
}

class Unmarked extends Base {}

const contextOf = (controller: Type, handler: () => void) => new ExecutionContextHost([], controller, handler);
const { unmarked, small } = Base.prototype;
const { none } = Marked.prototype;

it('A mark of a handler counts more than that of its class, whatever its value', () => {
  expect(SIZE.of(contextOf(Marked, small))).toBe(1);
  expect(SIZE.of(contextOf(Marked, none))).toBe(0);
  expect(SIZE.of(contextOf(Marked, unmarked))).toBe(7);
});

it('A handler that two classes inherit has the mark of the class that is asked', () => {
  expect(SIZE.of(contextOf(Unmarked, unmarked))).toBeUndefined();
  expect(SIZE.of(contextOf(Marked, unmarked))).toBe(7);
  expect(SIZE.of(contextOf(Base, unmarked))).toBeUndefined();
});

it('A mark says nothing of another one', () => {
  expect(OTHER.of(contextOf(Marked, small))).toBeUndefined();
});

it('A mark is read once for each handler, also where there is none', () => {
  const contexts = [contextOf(class A extends Marked {}, small), contextOf(class B extends Base {}, unmarked)];
  const first = contexts.map((context) => SIZE.of(context));
  const read = jest.spyOn(Reflect, 'getMetadata');
  expect(contexts.map((context) => SIZE.of(context))).toEqual(first);
  expect(read).not.toHaveBeenCalled();
});
