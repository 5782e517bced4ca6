import { Body, Controller, Get, HttpStatus, Param, Post, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { RequiresRole } from '../auth/role.guard.js';
import { type RequestSource, Source } from '../http/request-source.js';
import { ApiProblems } from '../problems/api-problems.decorator.js';
import { type Caller, CurrentCaller } from '../sessions/caller.js';
import { Incidents } from '../sessions/incidents/incidents.service.js';
import { IncidentNotFoundError } from '../sessions/sessions.errors.js';
import { IncidentDto, IncidentPreviewDto, OpenedIncidentDto, OpenIncidentDto } from './incidents.dto.js';

@ApiTags('Staff')
@RequiresRole('admin')
@Controller('admin/incidents')
export class IncidentsController {
  constructor(private readonly incidents: Incidents) {}

  @Post()
  @ApiOperation({
    summary: 'End many sessions of many people at once',
    description:
      'From the answer on no session that matches is trusted, however many they are: your own too, where it does. Their ' +
      'rows are ended afterwards, each with its line in the audit trail. Sessions that are opened later are not touched, ' +
      'so this keeps nobody from logging in again. It mails nobody. Begin with `dryRun`. A session is of no client, so ' +
      'there is no filter for one.',
  })
  @ApiOkResponse({ type: IncidentPreviewDto, description: 'With `dryRun`: nothing has ended.' })
  @ApiCreatedResponse({ type: OpenedIncidentDto })
  async openIncident(
    @CurrentCaller() { userId }: Caller,
    @Body() { where, reason, dryRun }: OpenIncidentDto,
    @Source() source: RequestSource,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IncidentPreviewDto | OpenedIncidentDto> {
    if (dryRun) {
      reply.status(HttpStatus.OK);
      return { matches: await this.incidents.countMatching(where) };
    }
    return this.incidents.open(where, { actorId: userId, reason, source });
  }

  @Get(':id')
  @ApiParam({
    name: 'id',
    format: 'uuid',
    example: '3f0c2b7e-94a1-4c0d-8f5e-2b9d6a7c1e40',
    description: 'The incident.',
  })
  @ApiOperation({ summary: 'How far an incident is', description: 'Until `finishedAt` rows are still being ended.' })
  @ApiOkResponse({ type: IncidentDto })
  @ApiProblems(IncidentNotFoundError)
  async getIncident(@Param('id') id: string): Promise<IncidentDto> {
    return IncidentDto.from(await this.incidents.require(id));
  }
}
