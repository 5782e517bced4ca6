import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public } from '../http/public.decorator.js';
import { AppConfig } from '../config/config.js';
import { PAGE_CSP, PAGE_SCRIPT, PAGE_STYLE, pageOf } from './mail-link-page.js';

const HTML = 'text/html; charset=utf-8';

/** Where the links of mails lead: pages whose button does it. Opening one changes nothing. */
@ApiExcludeController()
@Public()
@Controller()
export class MailLinksController {
  constructor(private readonly config: AppConfig) {}

  @Get('auth/password/reset')
  @Header('Content-Type', HTML)
  @Header('Content-Security-Policy', PAGE_CSP)
  reset(): string {
    return pageOf(
      {
        title: 'Set a new password',
        button: 'Set it, and log out all my devices',
        done: 'Your new password is set. Sign in with it.',
        asksPassword: true,
      },
      this.config,
    );
  }

  @Get('auth/email/verify')
  @Header('Content-Type', HTML)
  @Header('Content-Security-Policy', PAGE_CSP)
  verify(): string {
    return pageOf(
      {
        title: 'Confirm your e-mail address',
        button: 'Confirm',
        done: 'Your address is confirmed.',
        asksPassword: false,
      },
      this.config,
    );
  }

  @Get('sessions/disown')
  @Header('Content-Type', HTML)
  @Header('Content-Security-Policy', PAGE_CSP)
  disown(): string {
    return pageOf(
      {
        title: 'This was not me',
        button: 'Log out every device',
        done: 'Every device is logged out. Now set a new password.',
        asksPassword: false,
      },
      this.config,
    );
  }

  @Get('auth/email/undo')
  @Header('Content-Type', HTML)
  @Header('Content-Security-Policy', PAGE_CSP)
  undo(): string {
    return pageOf(
      {
        title: 'Undo the change of address',
        button: 'Give this address its account back',
        done: 'The account has this address again, and every device is logged out. Now set a new password.',
        asksPassword: false,
      },
      this.config,
    );
  }

  @Get('auth/link.js')
  @Header('Content-Type', 'text/javascript; charset=utf-8')
  script(): string {
    return PAGE_SCRIPT;
  }

  @Get('auth/link.css')
  @Header('Content-Type', 'text/css; charset=utf-8')
  style(): string {
    return PAGE_STYLE;
  }
}
