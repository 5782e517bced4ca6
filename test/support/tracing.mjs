// node --import ./test/support/tracing.mjs dist/main.js: what an operator does to trace the service with OpenTelemetry.
// Each span is printed as a line of JSON.
import { register } from 'node:module';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg';
import { NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';

register('@opentelemetry/instrumentation/hook.mjs', import.meta.url);

const printer = {
  export(spans, done) {
    for (const span of spans) {
      const { traceId } = span.spanContext();
      process.stdout.write(`${JSON.stringify({ span: span.name, traceId, route: span.attributes['http.route'] })}\n`);
    }
    done({ code: 0 });
  },
  shutdown: async () => {},
};
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(printer)] }).register();
registerInstrumentations({ instrumentations: [new HttpInstrumentation(), new PgInstrumentation()] });
