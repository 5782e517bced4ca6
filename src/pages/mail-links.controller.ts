import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public } from '../http/public.decorator.js';
import { AppConfig } from '../config/config.js';
import { read } from './html.js';

const TEMPLATE = read('link.html');
const SCRIPT = read('link.mjs');
const STYLE = read('link.css');

const HTML = 'text/html; charset=utf-8';
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; " +
  "frame-ancestors 'none'";

/** What the page of a mail's link says, and what its one button does. */
interface LinkPage {
  readonly title: string;
  readonly button: string;
  readonly done: string;
  readonly asksPassword: boolean;
}

/** Where the links of mails lead: pages whose button does it. Opening one changes nothing. */
@ApiExcludeController()
@Public()
@Controller()
export class MailLinksController {
  constructor(private readonly config: AppConfig) {}

  @Get('auth/password/reset')
  @Header('Content-Type', HTML)
  @Header('Content-Security-Policy', CSP)
  reset(): string {
    return this.render({
      title: 'Set a new password',
      button: 'Set it, and log out all my devices',
      done: 'Your new password is set. Sign in with it.',
      asksPassword: true,
    });
  }

  @Get('auth/email/verify')
  @Header('Content-Type', HTML)
  @Header('Content-Security-Policy', CSP)
  verify(): string {
    return this.render({
      title: 'Confirm your e-mail address',
      button: 'Confirm',
      done: 'Your address is confirmed.',
      asksPassword: false,
    });
  }

  @Get('sessions/disown')
  @Header('Content-Type', HTML)
  @Header('Content-Security-Policy', CSP)
  disown(): string {
    return this.render({
      title: 'This was not me',
      button: 'Log out every device',
      done: 'Every device is logged out. Now set a new password.',
      asksPassword: false,
    });
  }

  @Get('auth/email/undo')
  @Header('Content-Type', HTML)
  @Header('Content-Security-Policy', CSP)
  undo(): string {
    return this.render({
      title: 'Undo the change of address',
      button: 'Give this address its account back',
      done: 'The account has this address again, and every device is logged out. Now set a new password.',
      asksPassword: false,
    });
  }

  @Get('auth/link.js')
  @Header('Content-Type', 'text/javascript; charset=utf-8')
  script(): string {
    return SCRIPT;
  }

  @Get('auth/link.css')
  @Header('Content-Type', 'text/css; charset=utf-8')
  style(): string {
    return STYLE;
  }

  // Only our own words are filled in, so that nothing needs escaping.
  private render(page: LinkPage): string {
    const values = new Map(Object.entries({ ...page, hasAccountPage: this.config.hasAccountPage }));
    return TEMPLATE.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => String(values.get(name)));
  }
}
