import { Body, Controller, HttpCode, HttpStatus, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiProblems } from '../problems/api-problems.decorator.js';
import { Public } from '../http/public.decorator.js';
import { type RequestSource, Source } from '../http/request-source.js';
import { TooManyRequestsError } from '../problems/problem.js';
import { InvalidLinkTokenError } from './account.errors.js';
import { LinkPreviewDto } from './link-preview.dto.js';
import { LinkPreviewService } from './link-preview.service.js';
import { MailedTokenDto } from './passwords.dto.js';

@ApiTags('Account')
@Controller('auth/links')
export class LinksController {
  constructor(private readonly previews: LinkPreviewService) {}

  @Public()
  @Post('preview')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'What is the link of a mail about?',
    description:
      'For a page that says so before its button is pressed. Nothing changes, and the token stays good. It counts as a try ' +
      'of the token (MAILED_TOKENS_PER_ADDRESS).',
  })
  @ApiOkResponse({ type: LinkPreviewDto })
  @ApiProblems(InvalidLinkTokenError, TooManyRequestsError)
  async previewLink(@Body() { token }: MailedTokenDto, @Source() source: RequestSource): Promise<LinkPreviewDto> {
    return LinkPreviewDto.from(await this.previews.find(token, source));
  }
}
