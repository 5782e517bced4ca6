import { Module } from '@nestjs/common';
import { PageController } from './page.controller.js';

/** What does it look like? */
@Module({ controllers: [PageController] })
export class PageModule {}
