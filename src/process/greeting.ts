import { randomBytes } from 'node:crypto';
import type { AppConfig } from '../config/config.js';

/** What a developer can do now, to be printed once the service listens. */
export function greeting(url: string, { hasAccountPage, hasDevMails, hasSwagger }: AppConfig): string {
  // Another address at each start, so that the line works as pasted on a database that has seen it before.
  const email = `ada-${randomBytes(3).toString('hex')}@example.com`;
  return `
The page     ${hasAccountPage ? url : 'off (ACCOUNT_PAGE=on)'}
Swagger UI   ${hasSwagger ? `${url}/docs` : 'off (SWAGGER=on)'}
Mails        ${hasDevMails ? `${url}/dev/mails` : 'sent to the server of SMTP_URL'}
Try it       curl -s -X POST ${url}/auth/register -H 'Content-Type: application/json' \\
               -d '{"email":"${email}","password":"correct horse battery","tokenDelivery":"body"}'
`;
}
