import { type CustomDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';

type Handler = ReturnType<ExecutionContext['getHandler']>;

/**
 * What a decorator says of a handler, or of all handlers of a controller, for guards to read. Reflection walks through
 * prototypes and maps for it, so it is done once for each handler, and not for each request.
 */
export class HandlerMark<Value> {
  private readonly key = Symbol('handlerMark');
  // By the class as well: one handler may be inherited by several.
  private readonly read = new WeakMap<object, Map<Handler, Value | undefined>>();

  /** The decorator. On a handler it counts more than on its class. */
  set(value: Value): CustomDecorator<symbol> {
    return SetMetadata(this.key, value);
  }

  /** What was set, or undefined. */
  of(context: ExecutionContext): Value | undefined {
    const [controller, handler] = [context.getClass(), context.getHandler()];
    let marks = this.read.get(controller);
    if (!marks) {
      this.read.set(controller, (marks = new Map()));
    }
    if (!marks.has(handler)) {
      marks.set(handler, Reflect.getMetadata(this.key, handler) ?? Reflect.getMetadata(this.key, controller));
    }
    return marks.get(handler);
  }
}
