/** What every instance of a test signs with. */
export const SECRETS = {
  JWT_SECRET: 'a-jwt-secret-of-the-tests-0123456789',
  REFRESH_TOKEN_SECRET: 'a-refresh-secret-of-the-tests-0123456789',
};
