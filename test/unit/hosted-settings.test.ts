import { AppConfig } from '../../src/config/config.js';
import { ConfigError } from '../../src/config/load-config.js';
import { variableOfSetting } from '../../src/config/setting.decorators.js';
import { configOfSettings, type LatchkeySettings, settingsFromEnvironment } from '../../src/hosted/settings.js';
import { temporaryFolder } from '../support/postgres.js';

const SETTINGS = {
  environment: 'production',
  databaseUrl: 'postgres://latchkey:pa55phrase@db.internal:5432/app',
  jwtSecrets: ['Nq8w-2Zk4-vB7x-Lp0s-Td5h-Gm3c,Yr6f-Ja1e'],
  refreshTokenSecrets: ['Xc5t-8Wm1-hQ2j-Rk9d-Fv6n-Bs4g-Zp7l-Eu0y'],
} satisfies LatchkeySettings;

/** What the refusal says, a complaint a line. Fails if the settings are taken. */
function complaintsAbout(settings: object): readonly string[] {
  try {
    // Those of an application without types are what they are.
    configOfSettings(settings as LatchkeySettings);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).complaints;
  }
  throw new Error('the settings were taken');
}

it('Settings of a program are those of the environment under the names of their properties', () => {
  const config = configOfSettings({ ...SETTINGS, accessTokenTtlSeconds: 60, corsOrigins: ['https://a.example'] });
  expect(config).toMatchObject({
    ...SETTINGS,
    isProduction: true,
    isCookieSecure: true,
    accessTokenTtlSeconds: 60,
    corsOrigins: ['https://a.example'],
    hasRateLimits: true,
    hasAccountPage: false,
    hasSwagger: false,
  });
  expect(config).toBeInstanceOf(AppConfig);
});

it('The environment is not read unless it is given', () => {
  process.env['ACCESS_TOKEN_TTL'] = '77';
  expect(configOfSettings(SETTINGS).accessTokenTtlSeconds).toBe(600);
  const dataDir = temporaryFolder();
  const given = settingsFromEnvironment({ ACCESS_TOKEN_TTL: '77', DATA_DIR: dataDir, SWAGGER: 'on' });
  delete process.env['ACCESS_TOKEN_TTL'];
  expect(configOfSettings(given)).toMatchObject({
    accessTokenTtlSeconds: 77,
    hasAccountPage: false,
    hasSwagger: true,
  });
});

it('Every bad setting is named by its property in one error, and no value is', () => {
  const secret = 'short-secret';
  const complaints = complaintsAbout({
    ...SETTINGS,
    jwtSecrets: [secret],
    databaseSchema: 'Not-One',
    accessTokenTtlSeconds: 100_000,
    hasRateLimits: 'sometimes',
    emailVerification: 'perhaps',
    port: 3000,
    nothing: 1,
    exclude: ['health'],
  });
  const named = ['jwtSecrets', 'databaseSchema', 'accessTokenTtlSeconds', 'hasRateLimits', 'emailVerification'];
  for (const name of [...named, 'port', 'nothing', 'exclude']) {
    expect(complaints.filter((complaint) => complaint.startsWith(`${name} `))).toHaveLength(1);
  }
  expect(complaints.join('\n')).not.toMatch(/[A-Z]{2,}_|short-secret/);
});

it('Without an environment or a database the settings are refused, and in production without secrets', () => {
  expect(complaintsAbout({})).toEqual(['environment is required', 'databaseUrl is required']);
  expect(complaintsAbout({ environment: 'production', databaseUrl: SETTINGS.databaseUrl })).toEqual([
    expect.stringContaining('jwtSecrets is required in production'),
    expect.stringContaining('refreshTokenSecrets is required in production'),
  ]);
});

it('Every setting of the service has a variable', () => {
  expect([...variableOfSetting.keys()]).toEqual(expect.arrayContaining(Object.keys(new AppConfig())));
});
