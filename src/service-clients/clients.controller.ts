import { Body, Controller, Delete, Get, HttpCode, HttpStatus, Param, Post, Query } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { RequiresRole } from '../auth/role.guard.js';
import { pageOf, PageQueryDto, requestedPage } from '../http/pagination.js';
import { type RequestSource, Source } from '../http/request-source.js';
import { ApiProblems } from '../problems/api-problems.decorator.js';
import { type Caller, CurrentCaller } from '../sessions/caller.js';
import {
  ClientNameTakenError,
  ClientNotFoundError,
  ClientSecretNotFoundError,
  LastClientSecretError,
  TooManyClientSecretsError,
} from './clients.errors.js';
import {
  AddClientDto,
  AddedClientDto,
  AddedClientSecretDto,
  ClientSecretDto,
  ServiceClientDto,
  ServiceClientsPageDto,
} from './clients.dto.js';
import type { ClientChange } from './service-clients.repository.js';
import { ServiceClients } from './service-clients.service.js';

const ApiClientId = () =>
  ApiParam({
    name: 'id',
    format: 'uuid',
    example: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61',
    description: 'The `client_id`.',
  });

@ApiTags('Service clients')
@RequiresRole('admin')
@Controller('admin/clients')
export class ClientsController {
  constructor(private readonly clients: ServiceClients) {}

  @Post()
  @ApiOperation({
    summary: 'Let another service call',
    description: 'The answer has its `client_secret`, this once. `npm run client:add` does the same.',
  })
  @ApiCreatedResponse({ type: AddedClientDto })
  @ApiProblems(ClientNameTakenError)
  async addClient(
    @CurrentCaller() staff: Caller,
    @Body() body: AddClientDto,
    @Source() source: RequestSource,
  ): Promise<AddedClientDto> {
    const { client, clientSecret } = await this.clients.add(body, changeBy(staff, source));
    return { ...ServiceClientDto.from(client), clientSecret };
  }

  @Get()
  @ApiOperation({ summary: 'The services that may call, the newest first', description: 'And which secrets they use.' })
  @ApiOkResponse({ type: ServiceClientsPageDto })
  async listClients(@Query() query: PageQueryDto): Promise<ServiceClientsPageDto> {
    const { clients, hasMore } = await this.clients.list(requestedPage(query));
    return pageOf(
      clients.map((client) => ServiceClientDto.from(client)),
      hasMore,
      clients.at(-1),
    );
  }

  @Post(':id/secret')
  @ApiClientId()
  @ApiOperation({
    summary: 'Make another secret for a service',
    description: 'Both are valid: give the service the new one, see that it is used, and end the old one. Up to five.',
  })
  @ApiCreatedResponse({ type: AddedClientSecretDto })
  @ApiProblems(ClientNotFoundError, TooManyClientSecretsError)
  async addClientSecret(
    @CurrentCaller() staff: Caller,
    @Param('id') id: string,
    @Source() source: RequestSource,
  ): Promise<AddedClientSecretDto> {
    const { secret, clientSecret } = await this.clients.addSecret(id, changeBy(staff, source));
    return { ...ClientSecretDto.from(secret), clientSecret };
  }

  @Delete(':id/secrets/:secretId')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiClientId()
  @ApiParam({
    name: 'secretId',
    format: 'uuid',
    example: '3f0c2b7e-94a1-4c0d-8f5e-2b9d6a7c1e40',
    description: 'The id of the secret, as the list of clients has it.',
  })
  @ApiOperation({
    summary: 'End a secret of a service',
    description: 'From the moment of the answer it is refused. The last one cannot be ended: end the client instead.',
  })
  @ApiNoContentResponse({ description: 'Ended.' })
  @ApiProblems(ClientNotFoundError, ClientSecretNotFoundError, LastClientSecretError)
  endClientSecret(
    @CurrentCaller() staff: Caller,
    @Param('id') id: string,
    @Param('secretId') secretId: string,
    @Source() source: RequestSource,
  ): Promise<void> {
    return this.clients.endSecret(id, secretId, changeBy(staff, source));
  }

  @Delete(':id')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiClientId()
  @ApiOperation({
    summary: 'End a service client',
    description: 'From the moment of the answer all its secrets are refused, everywhere and for good.',
  })
  @ApiNoContentResponse({ description: 'Ended.' })
  @ApiProblems(ClientNotFoundError)
  endClient(@CurrentCaller() staff: Caller, @Param('id') id: string, @Source() source: RequestSource): Promise<void> {
    return this.clients.end(id, changeBy(staff, source));
  }
}

const changeBy = ({ userId }: Caller, source: RequestSource): ClientChange => ({ actorId: userId, source });
