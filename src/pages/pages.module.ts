import { Module } from '@nestjs/common';
import { ReturnToAdviceModule } from '../http/return-to-advice.js';
import { BrandController } from './brand.controller.js';
import { ClientFilesController } from './client-files.controller.js';
import { Brand } from './brand.js';
import { MailLinksController } from './mail-links.controller.js';
import { PageController } from './page.controller.js';

/** The name, logo and colour of the service. */
@Module({ controllers: [BrandController], providers: [Brand], exports: [Brand] })
class BrandModule {}

/** The client of the API for browsers. */
@Module({ controllers: [ClientFilesController] })
export class ClientFilesModule {}

/** Where the links of mails lead. */
@Module({ imports: [BrandModule], controllers: [MailLinksController] })
export class MailLinksModule {}

/** The page "Your devices". */
@Module({ imports: [BrandModule, ReturnToAdviceModule], controllers: [PageController] })
export class AccountPageModule {}
