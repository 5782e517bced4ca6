import 'reflect-metadata';
import { parseArgs } from 'node:util';
import { configOfProcess } from '../config/environment.js';
import { runOnDatabase } from '../database/command.js';
import { listOf, readInput } from '../http/command-input.js';
import { Problem } from '../problems/problem.js';
import { StartError } from '../problems/start-error.js';
import { AddClientDto } from './clients.dto.js';
import { SERVICE_CLIENT_SCOPES } from './service-client.entity.js';
import { ServiceClientsRepository } from './service-clients.repository.js';
import { ServiceClients } from './service-clients.service.js';

const USAGE = `Say: npm run client:add -- NAME --scope ${SERVICE_CLIENT_SCOPES.join(',')}`;

// Lets another service call, and prints its credentials this once: npm run client:add -- NAME --scope introspect,verify.
// The process ends with 0 where that was done, 1 where it was not, 2 where it was not asked for as it should be.
async function main(): Promise<void> {
  const client = readInput(AddClientDto, fieldsOfArguments, USAGE);
  if (!client) {
    process.exitCode = 2;
    return;
  }
  const { id, clientSecret } = await runOnDatabase(configOfProcess({ isServing: false }), async (database) => {
    const clients = new ServiceClients(database, new ServiceClientsRepository(database));
    const added = await clients.add(client, { actorId: null, source: null });
    return { id: added.client.id, clientSecret: added.clientSecret };
  });
  console.log(`client_id: ${id}\nclient_secret: ${clientSecret}`);
  // Not where the output goes to a file or a program.
  console.error(`${client.name} may ${client.scopes.join(', ')} from now on. The secret is not shown again.`);
}

function fieldsOfArguments(): object | null {
  const { positionals, values } = parseArgs({
    options: { scope: { type: 'string', multiple: true } },
    allowPositionals: true,
  });
  return positionals.length === 1 && values.scope ? { name: positionals[0], scopes: listOf(values.scope) } : null;
}

main().catch((error: unknown) => {
  console.error(error instanceof StartError || error instanceof Problem ? error.message : error);
  process.exitCode = 1;
});
