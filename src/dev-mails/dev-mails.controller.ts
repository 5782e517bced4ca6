import { Controller, Get, Header, type MessageEvent, Param, Sse, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Observable } from 'rxjs';
import { Public } from '../http/public.decorator.js';
import { StaysOpen } from '../http/stays-open.js';
import { NotFoundError } from '../problems/http.errors.js';
import { LocalOnlyGuard } from './local-only.guard.js';
import { type MailFile, MailFiles } from './mail-files.js';
import { listPage, mailPage, read } from './mail-pages.js';

const HTML = 'text/html; charset=utf-8';
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'none'; " +
  "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
// A mail is what a mail program would show: its own styles and pictures, and nothing that runs. Its links open a tab.
const MAIL_CSP =
  "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; " +
  "img-src 'self' https: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

const SCRIPT = read('mails.mjs');
const STYLE = read('mails.css');

/** The mailbox for developers. */
@ApiExcludeController()
@Public()
@UseGuards(LocalOnlyGuard)
@Controller('dev/mails')
export class DevMailsController {
  constructor(private readonly files: MailFiles) {}

  @Get()
  @Header('Content-Type', HTML)
  @Header('Content-Security-Policy', CSP)
  async list(): Promise<string> {
    return listPage(await this.files.list(), this.files.folder);
  }

  @Sse('changes')
  @StaysOpen()
  changes(): Observable<MessageEvent> {
    return this.files.changes();
  }

  @Get('mails.mjs')
  @Header('Content-Type', 'text/javascript; charset=utf-8')
  script(): string {
    return SCRIPT;
  }

  @Get('mails.css')
  @Header('Content-Type', 'text/css; charset=utf-8')
  style(): string {
    return STYLE;
  }

  @Get(':name')
  @Header('Content-Type', HTML)
  @Header('Content-Security-Policy', CSP)
  async mail(@Param('name') name: string): Promise<string> {
    return mailPage(await this.require(name));
  }

  @Get(':name/html')
  @Header('Content-Type', HTML)
  @Header('Content-Security-Policy', MAIL_CSP)
  @Header('X-Frame-Options', 'SAMEORIGIN')
  async html(@Param('name') name: string): Promise<string> {
    const { email } = await this.require(name);
    return `<!doctype html><base target="_blank">${email.html ?? ''}`;
  }

  @Get(':name/source')
  @Header('Content-Type', 'text/plain; charset=utf-8')
  async source(@Param('name') name: string): Promise<string> {
    return (await this.require(name)).source;
  }

  private async require(name: string): Promise<MailFile> {
    const mail = await this.files.find(name);
    if (!mail) {
      throw new NotFoundError();
    }
    return mail;
  }
}
