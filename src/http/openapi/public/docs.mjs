import { accessibility } from './accessibility.mjs';
import { authorization } from './authorization.mjs';
import { clients, isOfClient } from './clients.mjs';
import { withoutPrefilledOptions } from './document.mjs';
import { ids } from './ids.mjs';
import { refusals } from './refusals.mjs';
import { run } from './run.mjs';
import { stream } from './stream.mjs';
import { tokens } from './tokens.mjs';

const dark = matchMedia('(prefers-color-scheme: dark)');
const followScheme = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', followScheme);
followScheme();

const response = await fetch('/docs-json');
if (!response.ok) {
  document.querySelector('#swagger-ui').textContent = `The OpenAPI document could not be read: ${response.status}.`;
  throw new Error(`/docs-json: ${response.status}`);
}

const spec = withoutPrefilledOptions(await response.json());
document.title = `API · ${spec.info.title}`;

globalThis.SwaggerUIBundle({
  spec,
  dom_id: '#swagger-ui',
  deepLinking: true,
  displayRequestDuration: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
  withCredentials: true,
  requestInterceptor: (request) => (isOfClient(spec, request) ? { ...request, credentials: 'omit' } : request),
  // The schemas are one click away, below the routes.
  defaultModelsExpandDepth: 0,
  plugins: [accessibility, authorization, clients, ids, refusals, run, stream, tokens],
});
