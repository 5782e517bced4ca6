import { Controller, Get, Header, Param, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppConfig } from '../config/config.js';
import { Language } from '../http/language.js';
import { Public } from '../http/public.decorator.js';
import { ReturnToAdvice } from '../http/return-to-advice.js';
import { NotFoundError } from '../problems/http.errors.js';
import { phrase } from '../texts/phrase.mjs';
import { textsOf } from '../texts/texts.js';
import { Brand } from './brand.js';
import { byPath, fill, jsonForScript, PAGE_STYLE, read } from './html.js';
import { returnToOf } from './return-to.js';
import { script, send, type StaticFile, style } from './static-file.js';

const TEMPLATE = read('index.html').replace('{{account}}', () => read('account.html'));
const [BEFORE_DATA = '', AFTER_DATA = ''] = TEMPLATE.split('{{data}}');
const STYLE = style(PAGE_STYLE);
const SCRIPTS: ReadonlyMap<string, StaticFile> = new Map(
  [
    'page.mjs',
    'account.mjs',
    'devices.mjs',
    'dom.mjs',
    'door.mjs',
    'history.mjs',
    'i18n.mjs',
    'places.mjs',
    'return-to.mjs',
    'signing-out.mjs',
    '../../texts/phrase.mjs',
  ].map((path) => [path.replace(/^.*\//, ''), script(read(path))]),
);

// Nothing but what the service itself serves, and no text that becomes markup.
const csp = (imageSources: string): string =>
  `default-src 'none'; script-src 'self'; style-src 'self'; img-src ${imageSources}; connect-src 'self'; ` +
  "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/** The page "Your devices": a client like any other, of the public API alone. */
@ApiExcludeController()
@Public()
@Controller()
export class PageController {
  constructor(
    private readonly brand: Brand,
    private readonly config: AppConfig,
    private readonly advice: ReturnToAdvice,
  ) {}

  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header('Vary', 'Accept-Language')
  index(
    @Language() language: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): string {
    void reply.headers({ 'Content-Language': language, 'Content-Security-Policy': csp(this.brand.imageSources) });
    const { page } = textsOf(language);
    const least = this.config.passwordMinLength;
    const values = {
      ...byPath(page),
      language,
      brand: this.brand.name,
      logo: this.brand.logoUrl,
      passwordLeast: String(least),
      passwordRules: phrase(language, page.passwordRules, { count: least }),
    };
    const data = {
      language,
      texts: page,
      settings: { ...this.settings(), returnTo: this.returnTo(request) },
    };
    return fill(BEFORE_DATA, values) + jsonForScript(data) + fill(AFTER_DATA, values);
  }

  @Get('page/page.css')
  style(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Buffer | string {
    return send(STYLE, request, reply);
  }

  @Get('page/:name')
  script(
    @Param('name') name: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Buffer | string {
    const file = SCRIPTS.get(name);
    if (file === undefined) {
      throw new NotFoundError();
    }
    return send(file, request, reply);
  }

  private returnTo({ url, headers: { host } }: FastifyRequest): string | null {
    return returnToOf(url, this.config.returnToOrigins, (address, isAllowed) =>
      this.advice.on(address, isAllowed, host),
    );
  }

  private settings() {
    const { hasSwagger, hasDevMails, geoDatabase, emailVerification } = this.config;
    return {
      hasDocs: hasSwagger,
      hasPlaces: geoDatabase !== undefined,
      hasMailbox: hasDevMails,
      // Who signs up is sent a link to confirm the address.
      sendsConfirmation: emailVerification !== 'off',
    };
  }
}
