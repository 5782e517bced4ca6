import { Module } from '@nestjs/common';
import { MailLinksController } from './mail-links.controller.js';
import { PageController } from './page.controller.js';

/** Where the links of mails lead. */
@Module({ controllers: [MailLinksController] })
export class MailLinksModule {}

/** The page "Your devices". */
@Module({ controllers: [PageController] })
export class AccountPageModule {}
