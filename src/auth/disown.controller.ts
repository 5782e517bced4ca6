import { Body, Controller, HttpCode, HttpStatus, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { ApiProblems, BODY_PROBLEMS, COMMON_HEADERS, UNAVAILABLE_PROBLEMS } from '../common/api-problems.decorator.js';
import { Public } from '../common/public.decorator.js';
import { type RequestSource, Source } from '../common/request-source.js';
import { RevokedDto } from './auth-result.dto.js';
import { MailedTokenDto } from './passwords.dto.js';
import { PasswordsService } from './passwords.service.js';

export class DisownedDto extends RevokedDto {
  @ApiProperty({
    example: 'q8Kf2cX0vWlGm4pYhT6sZbN1eRj9uDa3oLi7xQyE5Vg',
    description: 'For `POST /auth/password/reset`, since whoever signed in knew the password. Half an hour, once.',
  })
  readonly resetToken!: string;
}

@ApiTags('sessions')
@Controller('sessions/disown')
export class DisownController {
  constructor(private readonly passwords: PasswordsService) {}

  @Public()
  @Post()
  @HttpCode(HttpStatus.OK)
  @ApiOperation({ summary: 'Log out the device that a mail told you of: "this was not me"' })
  @ApiOkResponse({ type: DisownedDto, headers: COMMON_HEADERS })
  @ApiProblems(
    'cross_site_request',
    'invalid_disown_token',
    ...BODY_PROBLEMS,
    'too_many_requests',
    ...UNAVAILABLE_PROBLEMS,
  )
  disown(@Body() { token }: MailedTokenDto, @Source() source: RequestSource): Promise<DisownedDto> {
    return this.passwords.disown(token, source);
  }
}
