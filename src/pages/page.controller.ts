import { Controller, Get, Header, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Language } from '../http/language.js';
import { Public } from '../http/public.decorator.js';
import { textsOf } from '../texts/texts.js';
import { Brand } from './brand.js';
import { fill, read } from './html.js';

const INDEX = read('index.html');
const SCRIPT = read('page.mjs');
const STYLE = read('page.css');

// Nothing but what the service itself serves, and no text that becomes markup.
const csp = (imageSources: string): string =>
  `default-src 'none'; script-src 'self'; style-src 'self'; img-src ${imageSources}; connect-src 'self'; ` +
  "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/** The page "Your devices": a client like any other, of the public API alone. */
@ApiExcludeController()
@Public()
@Controller()
export class PageController {
  constructor(private readonly brand: Brand) {}

  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header('Vary', 'Accept-Language')
  index(@Language() language: string, @Res({ passthrough: true }) reply: FastifyReply): string {
    void reply.headers({ 'Content-Language': language, 'Content-Security-Policy': csp(this.brand.imageSources) });
    const { title } = textsOf(language).page;
    return fill(INDEX, { language, title, brand: this.brand.name, logo: this.brand.logoUrl });
  }

  @Get('page/page.mjs')
  @Header('Content-Type', 'text/javascript; charset=utf-8')
  script(): string {
    return SCRIPT;
  }

  @Get('page/page.css')
  @Header('Content-Type', 'text/css; charset=utf-8')
  style(): string {
    return STYLE;
  }
}
