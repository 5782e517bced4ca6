import { watch } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable, type MessageEvent } from '@nestjs/common';
import PostalMime, { type Email } from 'postal-mime';
import { debounceTime, Observable } from 'rxjs';
import { AppConfig } from '../config/config.js';

const SUFFIX = '.eml';
const SHOWN_MOST = 100;
// A file is named before it is written.
const WRITTEN_AFTER_MS = 100;

/** A mail in the words of its file. */
export interface MailFile {
  /** The name of its file, without the suffix: it begins with the time, so that names sort by it. */
  readonly name: string;
  readonly path: string;
  readonly source: string;
  readonly email: Email;
}

/** The mails in DATA_DIR/mail. */
@Injectable()
export class MailFiles {
  readonly folder: string;

  constructor(config: AppConfig) {
    this.folder = join(config.dataDir, 'mail');
  }

  /** The newest first, and no more than a page shows. */
  async list(): Promise<MailFile[]> {
    const newest = (await this.names()).slice(0, SHOWN_MOST);
    const mails = await Promise.all(newest.map((name) => this.read(name)));
    return mails.filter((mail) => mail !== null);
  }

  /** Null if there is no such mail, whatever the name says. */
  async find(name: string): Promise<MailFile | null> {
    return (await this.names()).includes(name) ? this.read(name) : null;
  }

  /** An event whenever a mail has come or gone. */
  changes(): Observable<MessageEvent> {
    return new Observable<MessageEvent>((client) => {
      let isOver = false;
      let close = () => undefined as void;
      void mkdir(this.folder, { recursive: true, mode: 0o700 }).then(
        () => {
          if (isOver) return;
          const watcher = watch(this.folder, () => client.next({ type: 'mail', data: '' }));
          watcher.on('error', (error) => client.error(error));
          close = () => watcher.close();
        },
        (error: unknown) => client.error(error),
      );
      return () => {
        isOver = true;
        close();
      };
    }).pipe(debounceTime(WRITTEN_AFTER_MS));
  }

  private async names(): Promise<string[]> {
    const files = await readdir(this.folder).catch(() => []);
    return files
      .filter((file) => file.endsWith(SUFFIX))
      .map((file) => file.slice(0, -SUFFIX.length))
      .toSorted()
      .toReversed();
  }

  // Null where the file was deleted meanwhile.
  private async read(name: string): Promise<MailFile | null> {
    const path = join(this.folder, name + SUFFIX);
    const source = await readFile(path, 'utf8').catch(() => null);
    return source === null ? null : { name, path, source, email: await PostalMime.parse(source) };
  }
}
