import { fastify, type FastifyBaseLogger, LogController } from 'fastify';
import { pino } from 'pino';
import { requestLog } from '../../src/http/request-log.js';
import { isoTime } from '../../src/process/iso-time.js';
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

it('What others log is searched for secrets also where lines of requests are not', async () => {
  const lines: string[] = [];
  const loggerInstance: FastifyBaseLogger = pino(loggerOptions('info'), { write: (text) => void lines.push(text) });
  const app = fastify({ loggerInstance, logController: new LogController({ disableRequestLogging: true }) });
  const logged = requestLog(app, { loggedRequests: 'all' });
  app.addHook('onRequest', (request, reply, done) => {
    logged?.(request, reply);
    done();
  });
  app.get('/login', ({ log, headers }, reply) => {
    log.info({ request: { headers }, password: 'correct horse' });
    return reply.send();
  });
  await app.inject({ url: '/login?password=correct+horse', headers: { authorization: 'Bearer correct.horse' } });
  const [found, request] = lines.map((line) => JSON.parse(line));
  expect(found).toMatchObject({ request: { headers: { authorization: '[redacted]' } }, password: '[redacted]' });
  expect(request).toMatchObject({ route: '/login', msg: 'request' });
  expect(lines.join()).not.toMatch(/correct.horse/);
});

it('The time of a line is that of the clock, to the millisecond, whichever way the clock goes', () => {
  const noon = Date.UTC(2026, 10, 28, 12);
  const clock = jest.spyOn(Date, 'now');
  for (const now of [0, 1, 99, 999, 1000, 1001, 59_999, 60_000, 7, -1, -1000, 86_400_000]) {
    clock.mockReturnValue(noon + now);
    expect(isoTime()).toBe(`,"time":"${new Date(noon + now).toISOString()}"`);
  }
  clock.mockRestore();
});
