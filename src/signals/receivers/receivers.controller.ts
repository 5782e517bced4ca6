import { Body, Controller, Delete, Get, HttpCode, HttpStatus, Param, Patch, Post, Query } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBody,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { RequiresRole } from '../../auth/role.guard.js';
import { pageOf, PageQueryDto, requestedPage } from '../../http/pagination.js';
import { type RequestSource, Source } from '../../http/request-source.js';
import { ApiProblems } from '../../problems/api-problems.decorator.js';
import { type Caller, CurrentCaller } from '../../sessions/caller.js';
import { Deliveries } from '../deliveries/deliveries.service.js';
import { DeliveriesPageDto, DeliveriesQueryDto, DeliveryDto } from '../deliveries/deliveries.dto.js';
import {
  AddedReceiverDto,
  AddReceiverDto,
  ChangeReceiverDto,
  ReceiverDto,
  ReceiverSecretDto,
  ReceiversPageDto,
} from './receivers.dto.js';
import {
  DeliveryNotFoundError,
  NoReceiverSecretError,
  ReceiverDisabledError,
  ReceiverNotFoundError,
} from './receivers.errors.js';
import type { ReceiverChange } from './receivers.repository.js';
import { Receivers } from './receivers.service.js';

// A body with all fields suits no kind.
const ADD_EXAMPLES = {
  webhook: {
    summary: 'A webhook',
    value: {
      url: 'https://billing.example.com/hooks/latchkey',
      kind: 'webhook',
      events: ['session.revoked', 'session.expired'],
      description: 'Billing: closes its sockets',
    },
  },
  logout: {
    summary: 'A relying party of OpenID Connect',
    value: {
      url: 'https://billing.example.com/backchannel-logout',
      kind: 'backchannel_logout',
      events: ['session.revoked', 'session.expired', 'user.deleted'],
      audience: 'billing',
    },
  },
};
const CHANGE_EXAMPLES = {
  events: { summary: 'Other events', value: { events: ['session.created', 'session.revoked', 'session.expired'] } },
  disable: { summary: 'Disable it', value: { disabled: true } },
  enable: { summary: 'Enable it', value: { disabled: false } },
};

const ApiDeliveryId = () =>
  ApiParam({
    name: 'deliveryId',
    format: 'uuid',
    example: '3f0c2b7e-94a1-4c0d-8f5e-2b9d6a7c1e40',
    description: 'The delivery.',
  });

const ApiReceiverId = () =>
  ApiParam({
    name: 'id',
    format: 'uuid',
    example: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61',
    description: 'The receiver.',
  });

@ApiTags('Receivers')
@RequiresRole('admin')
@Controller('admin/receivers')
export class ReceiversController {
  constructor(
    private readonly receivers: Receivers,
    private readonly deliveries: Deliveries,
  ) {}

  @Post()
  @ApiOperation({
    summary: 'Send another service what happens',
    description:
      'From the answer on it is sent each of these events at least once, those of one session in their order, first within a ' +
      'second and then for three days. The answer has its `secret`, this once.',
  })
  @ApiBody({ type: AddReceiverDto, examples: ADD_EXAMPLES })
  @ApiCreatedResponse({ type: AddedReceiverDto })
  async addReceiver(
    @CurrentCaller() staff: Caller,
    @Body() { description = null, audience = null, include = [], ...body }: AddReceiverDto,
    @Source() source: RequestSource,
  ): Promise<AddedReceiverDto> {
    const added = await this.receivers.add({ ...body, include, description, audience }, changeBy(staff, source));
    return { ...ReceiverDto.from(added.receiver), secret: added.secret };
  }

  @Get()
  @ApiOperation({
    summary: 'The receivers, the newest first',
    description: 'And whether they take what they are sent.',
  })
  @ApiOkResponse({ type: ReceiversPageDto })
  async listReceivers(@Query() query: PageQueryDto): Promise<ReceiversPageDto> {
    const { receivers, hasMore } = await this.receivers.list(requestedPage(query));
    return pageOf(
      receivers.map((receiver) => ReceiverDto.from(receiver)),
      hasMore,
      receivers.at(-1),
    );
  }

  @Get(':id')
  @ApiReceiverId()
  @ApiOperation({ summary: 'One receiver', description: 'And whether it takes what it is sent.' })
  @ApiOkResponse({ type: ReceiverDto })
  @ApiProblems(ReceiverNotFoundError)
  async getReceiver(@Param('id') id: string): Promise<ReceiverDto> {
    return ReceiverDto.from(await this.receivers.require(id));
  }

  @Patch(':id')
  @ApiReceiverId()
  @ApiBody({ type: ChangeReceiverDto, examples: CHANGE_EXAMPLES })
  @ApiOperation({
    summary: 'Change a receiver, or disable and enable it',
    description: 'What is left out stays, and null removes. What waits is sent as the receiver is by then.',
  })
  @ApiOkResponse({ type: ReceiverDto })
  @ApiProblems(ReceiverNotFoundError)
  async changeReceiver(
    @CurrentCaller() staff: Caller,
    @Param('id') id: string,
    @Body() { disabled, ...settings }: ChangeReceiverDto,
    @Source() source: RequestSource,
  ): Promise<ReceiverDto> {
    const changed = await this.receivers.change(id, { ...settings, isDisabled: disabled }, changeBy(staff, source));
    return ReceiverDto.from(changed);
  }

  @Delete(':id')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiReceiverId()
  @ApiOperation({ summary: 'Delete a receiver', description: 'With all that waits for it.' })
  @ApiNoContentResponse({ description: 'Deleted.' })
  @ApiProblems(ReceiverNotFoundError)
  deleteReceiver(
    @CurrentCaller() staff: Caller,
    @Param('id') id: string,
    @Source() source: RequestSource,
  ): Promise<void> {
    return this.receivers.delete(id, changeBy(staff, source));
  }

  @Post(':id/secret')
  @ApiReceiverId()
  @ApiOperation({
    summary: 'Give a receiver another secret',
    description:
      'For 24 hours everything is signed with both, so that the receiver can change without losing anything.',
  })
  @ApiCreatedResponse({ type: ReceiverSecretDto })
  @ApiProblems(ReceiverNotFoundError, NoReceiverSecretError)
  async replaceReceiverSecret(
    @CurrentCaller() staff: Caller,
    @Param('id') id: string,
    @Source() source: RequestSource,
  ): Promise<ReceiverSecretDto> {
    return { secret: await this.receivers.replaceSecret(id, changeBy(staff, source)) };
  }

  @Post(':id/test')
  @HttpCode(HttpStatus.ACCEPTED)
  @ApiReceiverId()
  @ApiOperation({
    summary: 'Send a receiver a test',
    description: 'An event of type `test` without data. Look at its delivery to see what became of it.',
  })
  @ApiAcceptedResponse({ type: DeliveryDto })
  @ApiProblems(ReceiverNotFoundError, ReceiverDisabledError)
  async testReceiver(
    @CurrentCaller() staff: Caller,
    @Param('id') id: string,
    @Source() source: RequestSource,
  ): Promise<DeliveryDto> {
    return DeliveryDto.from(await this.deliveries.test(id, changeBy(staff, source)));
  }

  @Get(':id/deliveries')
  @ApiReceiverId()
  @ApiOperation({ summary: 'What a receiver was sent, the newest first', description: 'Until 30 days after its end.' })
  @ApiOkResponse({ type: DeliveriesPageDto })
  @ApiProblems(ReceiverNotFoundError)
  async listDeliveries(@Param('id') id: string, @Query() query: DeliveriesQueryDto): Promise<DeliveriesPageDto> {
    const { deliveries, hasMore } = await this.deliveries.list(id, requestedPage(query), query.state);
    const last = deliveries.at(-1);
    return pageOf(
      deliveries.map((delivery) => DeliveryDto.from(delivery)),
      hasMore,
      last && { id: last.id, createdAt: last.at },
    );
  }

  @Get(':id/deliveries/:deliveryId')
  @ApiReceiverId()
  @ApiDeliveryId()
  @ApiOperation({ summary: 'One delivery', description: 'And what the receiver answered last.' })
  @ApiOkResponse({ type: DeliveryDto })
  @ApiProblems(ReceiverNotFoundError, DeliveryNotFoundError)
  async getDelivery(@Param('id') id: string, @Param('deliveryId') deliveryId: string): Promise<DeliveryDto> {
    return DeliveryDto.from(await this.deliveries.require(id, deliveryId));
  }

  @Post(':id/deliveries/:deliveryId/redeliver')
  @HttpCode(HttpStatus.ACCEPTED)
  @ApiReceiverId()
  @ApiDeliveryId()
  @ApiOperation({
    summary: 'Send something once more',
    description: 'With the same id, whether it was taken or given up, and again for three days.',
  })
  @ApiAcceptedResponse({ type: DeliveryDto })
  @ApiProblems(ReceiverNotFoundError, DeliveryNotFoundError, ReceiverDisabledError)
  async redeliver(
    @CurrentCaller() staff: Caller,
    @Param('id') id: string,
    @Param('deliveryId') deliveryId: string,
    @Source() source: RequestSource,
  ): Promise<DeliveryDto> {
    return DeliveryDto.from(await this.deliveries.redeliver(id, deliveryId, changeBy(staff, source)));
  }
}

const changeBy = ({ userId }: Caller, source: RequestSource): ReceiverChange => ({ actorId: userId, source });
