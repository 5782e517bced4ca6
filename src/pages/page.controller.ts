import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public } from '../http/public.decorator.js';
import { read } from './public-files.js';

const INDEX = read('index.html');
const SCRIPT = read('page.mjs');
const STYLE = read('page.css');
const ICON = read('icon.svg');

// Nothing but what the service itself serves, and no text that becomes markup.
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; " +
  "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/** The page "Your devices": a client like any other, of the public API alone. */
@ApiExcludeController()
@Public()
@Controller()
export class PageController {
  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header('Content-Security-Policy', CSP)
  index(): string {
    return INDEX;
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

  @Get('page/icon.svg')
  @Header('Content-Type', 'image/svg+xml; charset=utf-8')
  icon(): string {
    return ICON;
  }
}
