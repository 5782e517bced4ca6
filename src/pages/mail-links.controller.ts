import { Controller, Get, Header, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppConfig } from '../config/config.js';
import { Language } from '../http/language.js';
import { Public } from '../http/public.decorator.js';
import type { TokenPurpose } from '../mail/mailed-token.entity.js';
import { phrase } from '../texts/phrase.mjs';
import { textsOf } from '../texts/texts.js';
import { Brand } from './brand.js';
import { fill, PAGE_STYLE, read } from './html.js';
import { script, send, style } from './static-file.js';

const TEMPLATE = read('link.html');
const SCRIPT = script(read('link.mjs'));
const PHRASE = script(read('../../texts/phrase.mjs'));
// With the look of the page at /, which the settings may turn off.
const STYLE = style(PAGE_STYLE + read('link.css'));

const HTML = 'text/html; charset=utf-8';
const csp = (imageSources: string): string =>
  `default-src 'none'; script-src 'self'; style-src 'self'; img-src ${imageSources}; connect-src 'self'; ` +
  "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/** Where the links of mails lead: pages whose button does it. Opening one changes nothing. */
@ApiExcludeController()
@Public()
@Controller()
export class MailLinksController {
  constructor(
    private readonly config: AppConfig,
    private readonly brand: Brand,
  ) {}

  @Get('auth/password/reset')
  @Header('Content-Type', HTML)
  @Header('Vary', 'Accept-Language')
  reset(@Language() language: string, @Res({ passthrough: true }) reply: FastifyReply): string {
    return this.render(reply, language, ['password_reset']);
  }

  @Get('auth/email/verify')
  @Header('Content-Type', HTML)
  @Header('Vary', 'Accept-Language')
  verify(@Language() language: string, @Res({ passthrough: true }) reply: FastifyReply): string {
    return this.render(reply, language, ['email_verification', 'email_change']);
  }

  @Get('sessions/disown')
  @Header('Content-Type', HTML)
  @Header('Vary', 'Accept-Language')
  disown(@Language() language: string, @Res({ passthrough: true }) reply: FastifyReply): string {
    return this.render(reply, language, ['disown']);
  }

  @Get('auth/email/undo')
  @Header('Content-Type', HTML)
  @Header('Vary', 'Accept-Language')
  undo(@Language() language: string, @Res({ passthrough: true }) reply: FastifyReply): string {
    return this.render(reply, language, ['email_undo']);
  }

  @Get('auth/link.js')
  script(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Buffer | string {
    return send(SCRIPT, request, reply);
  }

  @Get('texts/phrase.mjs')
  phrases(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Buffer | string {
    return send(PHRASE, request, reply);
  }

  @Get('auth/link.css')
  style(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Buffer | string {
    return send(STYLE, request, reply);
  }

  // The title and the button are those of the first purpose until the page knows which one its link has.
  private render(reply: FastifyReply, language: string, purposes: readonly [TokenPurpose, ...TokenPurpose[]]): string {
    void reply.headers({ 'Content-Language': language, 'Content-Security-Policy': csp(this.brand.imageSources) });
    const { links } = textsOf(language);
    const { passwordMinLength, hasAccountPage: hasDevices } = this.config;
    const { noScript, retry, newPassword, showPassword, safe, toDevices } = links;
    const { title, button } = links[purposes[0]];
    return fill(TEMPLATE, {
      noScript,
      retry,
      newPassword,
      showPassword,
      safe,
      toDevices,
      title,
      button,
      language,
      brand: this.brand.name,
      logo: this.brand.logoUrl,
      rules: phrase(language, links.passwordRules, { count: passwordMinLength }),
      texts: JSON.stringify(links),
      settings: JSON.stringify({ purposes, passwordMinLength, hasDevices }),
    });
  }
}
