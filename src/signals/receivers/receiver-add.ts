import 'reflect-metadata';
import { parseArgs } from 'node:util';
import { configOfProcess } from '../../config/environment.js';
import { runOnDatabase } from '../../database/command.js';
import { listOf, readInput } from '../../http/command-input.js';
import { KeyRotation } from '../../keys/key-rotation.js';
import { Problem } from '../../problems/problem.js';
import { StartError } from '../../problems/start-error.js';
import { SIGNAL_EVENTS } from './receiver.entity.js';
import { AddReceiverDto } from './receivers.dto.js';
import { ReceiverKeys } from './receiver-keys.js';
import { ReceiversRepository } from './receivers.repository.js';
import { Receivers } from './receivers.service.js';

const USAGE = `Say: npm run receiver:add -- https://service.example.com/hook --event session.revoked,session.expired, with
--kind backchannel_logout and --audience NAME for a relying party of OpenID Connect, and --algorithm RS256 where it takes
nothing else. Events: ${SIGNAL_EVENTS.join(', ')}`;

// Adds a receiver, and prints its secret this once. The process ends with 0 where that was done, 1 where it was not, 2 where it was
// not asked for as it should be.
async function main(): Promise<void> {
  const receiver = readInput(AddReceiverDto, fieldsOfArguments, USAGE);
  if (!receiver) {
    process.exitCode = 2;
    return;
  }
  const { description = null, audience = null, include = [], ...body } = receiver;
  // As the service has it: the secret is encrypted with JWT_SECRET.
  const added = await runOnDatabase(configOfProcess(), async (database, config) => {
    const keys = new ReceiverKeys(config, new KeyRotation(database, config));
    const receivers = new Receivers(database, new ReceiversRepository(database), config, keys);
    return receivers.add({ ...body, include, description, audience }, { actorId: null, source: null });
  });
  console.log(`id: ${added.receiver.id}${added.secret === null ? '' : `\nsecret: ${added.secret}`}`);
  // Not where the output goes to a file or a program.
  console.error(`${body.url} is sent ${body.events.join(', ')} from now on. A secret is not shown again.`);
}

function fieldsOfArguments(): object | null {
  const { positionals, values } = parseArgs({
    options: {
      event: { type: 'string', multiple: true },
      kind: { type: 'string', default: 'webhook' },
      audience: { type: 'string' },
      algorithm: { type: 'string' },
      description: { type: 'string' },
      include: { type: 'string', multiple: true },
    },
    allowPositionals: true,
  });
  const { event, include, ...others } = values;
  if (positionals.length !== 1 || !event) return null;
  return { ...others, url: positionals[0], events: listOf(event), ...(include && { include: listOf(include) }) };
}

/** What can be said of a failure to the person at the command line. */
function explanationOf(error: unknown): unknown {
  if (error instanceof Problem && error.errors) {
    return error.errors.map(({ field, message }) => `${field} ${message}.`).join('\n');
  }
  return error instanceof StartError || error instanceof Problem ? error.message : error;
}

main().catch((error: unknown) => {
  console.error(explanationOf(error));
  process.exitCode = 1;
});
