import { pino } from 'pino';
import { loggerOptions } from '../../src/process/logger.js';

const NAMES =
  'authorization cookie set-cookie password newPassword token tokens accessToken refreshToken resetToken ' +
  'client_secret clientSecret client_assertion';

it.each(NAMES.split(' '))(
  'What is called %s is left out of the log, on its own, in a body and among headers',
  (name) => {
    let line = '';
    const logger = pino(loggerOptions('info'), { write: (text) => (line += text) });
    logger.info({
      [name]: ['correct horse'],
      body: { [name]: 'correct horse' },
      request: { headers: { [name]: 'correct horse' } },
    });
    expect(JSON.parse(line)).toMatchObject({ [name]: '[redacted]', body: { [name]: '[redacted]' } });
    expect(line).not.toContain('correct horse');
  },
);
