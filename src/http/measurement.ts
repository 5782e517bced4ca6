import { channel } from 'node:diagnostics_channel';
import { Logger } from '@nestjs/common';

const logger = new Logger('Measurements');

/** What is counted and decides nothing: no caller waits for it, and without a listener it is lost. */
export interface Measurement<Value extends object> {
  record(value: Value): void;
  /** Returns what ends it. */
  subscribe(listener: (value: Value) => void): () => void;
}

/** A measurement on `node:diagnostics_channel`, as `latchkey:<name>`, for this whole process. */
export function measurement<Value extends object>(name: string): Measurement<Value> {
  const measured = channel(`latchkey:${name}`);
  return {
    record(value) {
      measured.publish(value);
    },
    subscribe(listener) {
      const heard = (value: unknown) => {
        try {
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing but record() publishes under this name
          listener(value as Value);
        } catch (error) {
          // Thrown further it would end the process (OP-02).
          logger.error(`Could not count a ${name}: ${String(error)}`);
        }
      };
      measured.subscribe(heard);
      return () => {
        measured.unsubscribe(heard);
      };
    },
  };
}
