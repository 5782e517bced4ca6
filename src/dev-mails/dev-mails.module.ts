import { Module } from '@nestjs/common';
import { DevMailsController } from './dev-mails.controller.js';
import { MailFiles } from './mail-files.js';

/** A mailbox for developers: the mails that are files, since there is no mail server. Never in production. */
@Module({ controllers: [DevMailsController], providers: [MailFiles] })
export class DevMailsModule {}
