import { chmodSync, mkdtempSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LIMITS, limitsFor } from '../../src/config/limits.config.js';
import { ConfigError, loadConfig } from '../../src/config/load-config.js';

const SECRET = 'Nq8w-2Zk4-vB7x-Lp0s-Td5h-Gm3c-Yr6f-Ja1e';
const OTHER_SECRET = 'Xc5t-8Wm1-hQ2j-Rk9d-Fv6n-Bs4g-Zp7l-Eu0y';
const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://latchkey:pa55phrase@db.internal:5432/latchkey',
  JWT_SECRET: SECRET,
  REFRESH_TOKEN_SECRET: OTHER_SECRET,
};

const folder = () => mkdtempSync(join(tmpdir(), 'latchkey-test-'));

/** What the refusal says. Fails if the settings are taken. */
function refusalOf(environment: Record<string, string | undefined>): string {
  try {
    loadConfig({ DATA_DIR: folder(), ...environment });
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  throw new Error('the settings were taken');
}

describe('defaults', () => {
  it('The default settings are those of the documentation', () => {
    const dataDir = folder();
    expect(loadConfig({ DATA_DIR: dataDir })).toMatchObject({
      port: 3000,
      host: 'localhost',
      jwtIssuer: 'latchkey',
      jwtAudience: 'latchkey',
      accessTokenTtlSeconds: 600,
      sessionIdleTtlSeconds: 604_800,
      sessionAbsoluteTtlSeconds: 2_592_000,
      refreshGraceSeconds: 10,
      maxSessionsPerUser: 50,
      passwordMinLength: 8,
      isCookieSecure: false,
      corsOrigins: [],
      hasSwagger: true,
      publicUrl: 'http://localhost:3000',
      isProduction: false,
    });
    expect(loadConfig({ DATA_DIR: dataDir }).databaseUrl).toBeUndefined();
    expect(loadConfig({ DATA_DIR: dataDir }).trustProxy).toBeUndefined();
  });

  it('PUBLIC_URL is localhost with the port of the service, unless it is set', () => {
    const publicUrlOf = (environment: Record<string, string>) =>
      loadConfig({ DATA_DIR: folder(), ...environment }).publicUrl;
    expect(publicUrlOf({ PORT: '3001' })).toBe('http://localhost:3001');
    expect(publicUrlOf({ PORT: '0' })).toBe('http://localhost:3000');
    expect(publicUrlOf({ PORT: '3001', PUBLIC_URL: 'https://id.example.com' })).toBe('https://id.example.com');
    expect(refusalOf({ PORT: 'x' }).split('\n')).toHaveLength(2);
  });

  it('In production the cookie is secure and Swagger UI is off by default', () => {
    expect(loadConfig(PRODUCTION)).toMatchObject({ isProduction: true, isCookieSecure: true, hasSwagger: false });
    expect(loadConfig({ ...PRODUCTION, SWAGGER: 'on' }).hasSwagger).toBe(true);
  });

  it('A variable that is set to nothing has its default', () => {
    expect(loadConfig({ DATA_DIR: folder(), PORT: '', JWT_SECRET: '', CORS_ORIGINS: '' })).toMatchObject({
      port: 3000,
      corsOrigins: [],
    });
  });
});

describe('secrets that are missing outside production', () => {
  it('Secrets that are missing outside production are made once and kept, readable by their owner alone', () => {
    const DATA_DIR = folder();
    const first = loadConfig({ DATA_DIR });
    const second = loadConfig({ DATA_DIR });

    expect(first.jwtSecrets).toEqual([expect.stringMatching(/^.{64,}$/)]);
    expect(first.refreshTokenSecrets).not.toEqual(first.jwtSecrets);
    expect([second.jwtSecrets, second.refreshTokenSecrets]).toEqual([first.jwtSecrets, first.refreshTokenSecrets]);
    for (const name of ['jwt-secret', 'refresh-token-secret']) {
      expect(statSync(join(DATA_DIR, name)).mode & 0o777).toBe(0o600);
      expect(readFileSync(join(DATA_DIR, name), 'utf8').trim()).toMatch(/^[\w-]{64}$/);
    }
  });

  it('Secrets that are made outside production differ from folder to folder', () => {
    expect(loadConfig({ DATA_DIR: folder() }).jwtSecrets).not.toEqual(loadConfig({ DATA_DIR: folder() }).jwtSecrets);
  });
});

describe('production', () => {
  it.each(['DATABASE_URL', 'JWT_SECRET', 'REFRESH_TOKEN_SECRET'])(
    'In production the service refuses to start without %s',
    (name) => {
      expect(refusalOf({ ...PRODUCTION, [name]: undefined })).toContain(`${name} is required in production`);
    },
  );

  it('A URL that only migrates is refused without one that serves, but for the command that migrates', () => {
    const { DATABASE_URL, ...others } = PRODUCTION;
    const alone = { ...others, MIGRATION_DATABASE_URL: DATABASE_URL };
    expect(refusalOf(alone)).toContain('DATABASE_URL is required where MIGRATION_DATABASE_URL is set');
    expect(() => loadConfig(alone, { isServing: false })).toThrow('DATABASE_URL is required');
    expect(loadConfig(alone, { isServing: false, isMigrating: true })).toMatchObject({
      migrationDatabaseUrl: DATABASE_URL,
    });
    expect(loadConfig({ ...alone, DATABASE_URL }).databaseUrl).toBe(DATABASE_URL);
    const bad = refusalOf({ ...PRODUCTION, MIGRATION_DATABASE_URL: 'mysql://root:pa55phrase@db/latchkey' });
    expect(bad).toContain('MIGRATION_DATABASE_URL must look like postgres://');
    expect(bad).not.toContain('pa55phrase');
  });

  it.each([
    ['short', 'Nq8w-2Zk4-vB7x'],
    ['a placeholder', 'change-me-change-me-change-me-change-me'],
    ['another placeholder', 'your-secret-key-goes-here-0123456789'],
    ['one letter repeated', 'a'.repeat(64)],
  ])('In production a secret that is %s is refused and not printed', (_, secret) => {
    const refusal = refusalOf({ ...PRODUCTION, JWT_SECRET: secret, REFRESH_TOKEN_SECRET: secret });
    expect(refusal).toMatch(/JWT_SECRET (is too short|looks like a placeholder)/);
    expect(refusal).toMatch(/REFRESH_TOKEN_SECRET (is too short|looks like a placeholder)/);
    expect(refusal).not.toContain(secret);
  });

  it.each(['JWT_SECRET', 'REFRESH_TOKEN_SECRET'])(
    'In production a list with one weak secret is refused in %s',
    (name) => {
      expect(refusalOf({ ...PRODUCTION, [name]: `${OTHER_SECRET},short` })).toContain(`${name} is too short`);
      expect(refusalOf({ ...PRODUCTION, [name]: `${OTHER_SECRET},${'x'.repeat(40)}` })).toContain(`${name} looks like`);
    },
  );
});

describe('limits', () => {
  const PRODUCTION_LIMITS = {
    loginFailuresPerAddress: 20,
    registrationsPerAddress: 10,
    tokenMailsPerAccount: 3,
    tokenMailsPerAddress: 20,
    mailedTokensPerAddress: 20,
    refreshesPerSession: 30,
    renamesPerUser: 30,
  };

  it('Outside production each limit on trying is twenty times that of production', () => {
    expect(loadConfig(PRODUCTION)).toMatchObject(PRODUCTION_LIMITS);
    const wide = Object.fromEntries(Object.entries(PRODUCTION_LIMITS).map(([name, limit]) => [name, limit * 20]));
    expect(loadConfig({ DATA_DIR: folder() })).toMatchObject(wide);
    expect(loadConfig({ DATA_DIR: folder(), NODE_ENV: 'test' })).toMatchObject(wide);
  });

  it('A limit that is set holds as it is given, in production and outside', () => {
    for (const environment of [PRODUCTION, { DATA_DIR: folder() }]) {
      expect(loadConfig({ ...environment, REGISTRATIONS_PER_ADDRESS: '7' }).registrationsPerAddress).toBe(7);
    }
  });

  it('The throttle of wrong passwords for one account is the same in production and outside', () => {
    const throttleOf = (environment: Record<string, string>) => {
      const { loginFreeFailures, loginDelaySeconds, loginMaxDelaySeconds, loginMaxFailures } = loadConfig(environment);
      return { loginFreeFailures, loginDelaySeconds, loginMaxDelaySeconds, loginMaxFailures };
    };
    expect(throttleOf({ DATA_DIR: folder() })).toEqual(throttleOf(PRODUCTION));
  });
});

describe('RATE_LIMIT=off', () => {
  it('In production RATE_LIMIT=off is refused by its name', () => {
    expect(refusalOf({ ...PRODUCTION, RATE_LIMIT: 'off' })).toMatch(/^  - RATE_LIMIT must be on in production/m);
    expect(loadConfig({ ...PRODUCTION, RATE_LIMIT: 'on' }).hasRateLimits).toBe(true);
  });

  it('Outside production RATE_LIMIT=off is accepted', () => {
    expect(loadConfig({ DATA_DIR: folder(), RATE_LIMIT: 'off' }).hasRateLimits).toBe(false);
  });
});

describe('bad values', () => {
  it.each([
    ['DATABASE_SCHEMA', 'pg_catalog'],
    ['DATABASE_SCHEMA', 'information_schema'],
    ['DATABASE_SCHEMA', 'Latchkey'],
    ['DATABASE_SCHEMA', '1st'],
    ['DATABASE_SCHEMA', 'a-b'],
    ['DATABASE_SCHEMA', 'x"; DROP SCHEMA public; --'],
    ['DATABASE_SCHEMA', 'x'.repeat(41)],
    ['PORT', '70000'],
    ['PORT', '3000.5'],
    ['PORT', 'http'],
    ['DATABASE_URL', 'mysql://root:pa55phrase@db/latchkey'],
    ['JWT_SECRET', 'too-short'],
    ['ACCESS_TOKEN_TTL', '901'],
    ['ACCESS_TOKEN_TTL', '0'],
    ['ACCESS_TOKEN_TTL', '10m'],
    ['SESSION_IDLE_TTL', '-1'],
    ['SESSION_ABSOLUTE_TTL', '1e3'],
    ['REFRESH_GRACE_SECONDS', '-1'],
    ['MAX_SESSIONS_PER_USER', '0'],
    ['PASSWORD_MIN_LENGTH', '7'],
    ['PASSWORD_HASH_MEMORY_KIB', '1024'],
    ['COOKIE_SECURE', 'maybe'],
    ['CORS_ORIGINS', '*'],
    ['CORS_ORIGINS', 'https://app.example.com,null'],
    ['CORS_ORIGINS', 'https://app.example.com/path'],
    ['CORS_ORIGINS', 'https://a:99999'],
    ['CORS_ORIGINS', 'https://['],
    ['CORS_ORIGINS', 'HTTPS://App.example.com'],
    ['NODE_ENV', 'Production'],
    ['DATABASE_URL', 'postgres://u:se%kret@db/latchkey'],
    ['TRUST_PROXY', '0.0.0.0/1,128.0.0.0/1'],
    ['TRUST_PROXY', 'true'],
    ['TRUST_PROXY', '0.0.0.0/0'],
    ['TRUST_PROXY', '10.0.0.0/33'],
    ['PUBLIC_URL', 'ftp://example.com'],
    ['LOG_LEVEL', 'loud'],
    ['LOG_REQUESTS', 'on'],
    ['LAST_SEEN_SECONDS', '0'],
    ['LAST_SEEN_SECONDS', '86401'],
    ['CLEAR_SITE_DATA', 'cookies'],
    ['CLEAR_SITE_DATA', 'everything'],
  ])('A bad value of %s such as %s stops the start', (name, value) => {
    const refusal = refusalOf({ [name]: value });
    expect(refusal).toMatch(new RegExp(`^  - ${name} `, 'm'));
    expect(refusal.split('\n')).toHaveLength(2);
  });

  it('Bad values are all named in one message that prints no secret', () => {
    const refusal = refusalOf({
      NODE_ENV: 'production',
      PORT: 'x',
      DATABASE_URL: 'mysql://root:pa55phrase@db/latchkey',
      JWT_SECRET: 'hunter2',
      REFRESH_TOKEN_SECRET: 'hunter3',
      SESSION_IDLE_TTL: 'week',
      TRUST_PROXY: 'true',
    });
    for (const name of [
      'PORT',
      'DATABASE_URL',
      'JWT_SECRET',
      'REFRESH_TOKEN_SECRET',
      'SESSION_IDLE_TTL',
      'TRUST_PROXY',
    ]) {
      expect(refusal).toMatch(new RegExp(`^  - ${name} `, 'm'));
    }
    expect(refusal).not.toMatch(/hunter|pa55phrase/);
  });
});

describe('good values', () => {
  it.each([
    ['off', undefined],
    ['1', '1'],
    ['10.0.0.0/8, 192.168.1.7', '10.0.0.0/8, 192.168.1.7'],
    ['fd00::/8', 'fd00::/8'],
  ])('TRUST_PROXY=%s is understood', (value, expected) => {
    expect(loadConfig({ DATA_DIR: folder(), TRUST_PROXY: value }).trustProxy).toBe(expected);
  });

  it('Settings that are lists are split at commas, and their spaces are trimmed', () => {
    const { corsOrigins, jwtSecrets, refreshTokenSecrets } = loadConfig({
      ...PRODUCTION,
      CORS_ORIGINS: 'https://app.example.com, http://localhost:5173',
      JWT_SECRET: `${OTHER_SECRET},${SECRET}`,
      REFRESH_TOKEN_SECRET: `${SECRET}, ${OTHER_SECRET}`,
    });
    expect(corsOrigins).toEqual(['https://app.example.com', 'http://localhost:5173']);
    expect(jwtSecrets).toEqual([OTHER_SECRET, SECRET]);
    expect(refreshTokenSecrets).toEqual([SECRET, OTHER_SECRET]);
  });
});

describe('*_FILE', () => {
  const fileWith = (text: string): string => {
    const path = join(folder(), 'secret');
    writeFileSync(path, text);
    return path;
  };

  it('A secret is read from the file that its *_FILE variable names, without the line end', () => {
    const { jwtSecrets, refreshTokenSecrets, databaseUrl } = loadConfig({
      NODE_ENV: 'production',
      JWT_SECRET_FILE: fileWith(`${SECRET},${OTHER_SECRET}\n`),
      REFRESH_TOKEN_SECRET_FILE: fileWith(`${OTHER_SECRET}\n`),
      DATABASE_URL_FILE: fileWith(`${PRODUCTION.DATABASE_URL}\n`),
    });
    expect([jwtSecrets, refreshTokenSecrets, databaseUrl]).toEqual([
      [SECRET, OTHER_SECRET],
      [OTHER_SECRET],
      PRODUCTION.DATABASE_URL,
    ]);
  });

  it.each(['DATABASE_URL', 'JWT_SECRET', 'REFRESH_TOKEN_SECRET'])(
    'A start with both %s and its file is refused',
    (name) => {
      const refusal = refusalOf({ ...PRODUCTION, [`${name}_FILE`]: fileWith(SECRET) });
      expect(refusal).toContain(`${name} and ${name}_FILE are both set; keep one`);
    },
  );

  it('A secret file that cannot be read is refused by the name of its variable', () => {
    const path = join(folder(), 'nothing-here');
    const refusal = refusalOf({ JWT_SECRET_FILE: path });
    expect(refusal).toContain('JWT_SECRET_FILE names a file that cannot be read');
  });

  it('In production an empty secret file is refused', () => {
    const path = fileWith('');
    chmodSync(path, 0o400);
    expect(refusalOf({ ...PRODUCTION, JWT_SECRET: undefined, JWT_SECRET_FILE: path })).toContain('JWT_SECRET');
  });
});

describe('the documentation', () => {
  const variables = readdirSync('src/config')
    .map((name) => readFileSync(`src/config/${name}`, 'utf8'))
    .flatMap((source) => [...source.matchAll(/Setting\('(\w+)'/g)].map(([, name]) => name!));
  const files = [
    'DATABASE_URL',
    'DATABASE_READ_URLS',
    'MIGRATION_DATABASE_URL',
    'JWT_SECRET',
    'REFRESH_TOKEN_SECRET',
    'SMTP_URL',
  ].map((name) => `${name}_FILE`);

  it('The file .env.example has every variable, with the default that holds', () => {
    const example = readFileSync('.env.example', 'utf8');
    const entries = new Map([...example.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name!, value!]));
    expect([...entries.keys()].toSorted()).toEqual([...variables, ...files].toSorted());

    const DATA_DIR = folder();
    const { dataDir: _, ...ofExample } = loadConfig({ ...Object.fromEntries(entries), DATA_DIR });
    const { dataDir: __, ...byDefault } = loadConfig({ DATA_DIR });
    expect(ofExample).toEqual(byDefault);
  });

  it('The limits that .env.example names for production and elsewhere are those that hold', () => {
    const example = readFileSync('.env.example', 'utf8').replaceAll('\n# ', ' ');
    const named = [...example.matchAll(/Unset: (\d+) in production, else (\d+)\.\n([A-Z_]+)=\s/g)];
    expect(named.map(([, production, elsewhere, name]) => [name, Number(production), Number(elsewhere)])).toEqual(
      Object.entries(LIMITS).map(([name, limit]) => [name, limit, limitsFor(false)[name]]),
    );
  });

  it('Every variable in .env.example is explained by the comment above it', () => {
    const lines = readFileSync('.env.example', 'utf8').split('\n');
    const above = (name: string) => lines[lines.findIndex((line) => line.startsWith(`${name}=`)) - 1] ?? '';
    expect([...variables, ...files].filter((name) => !/^# [\w"]/.test(above(name)))).toEqual([]);
  });
});

describe('sites behind a proxy', () => {
  const AT = { PUBLIC_URL: 'https://auth.example.com' };

  it('There is no visit cookie and no site to return to unless they are set', () => {
    expect(loadConfig(PRODUCTION)).toMatchObject({ hasVisitCookie: false, returnToOrigins: [] });
    const set = {
      VISIT_COOKIE: 'on',
      VISIT_COOKIE_DOMAIN: 'example.com',
      RETURN_TO_ORIGINS: 'https://a.example.com, http://b:8080',
    };
    expect(loadConfig({ ...PRODUCTION, ...AT, ...set })).toMatchObject({
      hasVisitCookie: true,
      visitCookieDomain: 'example.com',
      returnToOrigins: ['https://a.example.com', 'http://b:8080'],
    });
  });

  it.each([
    'com',
    '.example.com',
    'EXAMPLE.com',
    'example.com/',
    'https://example.com',
    '10.0.0.1',
    'a b.com',
    'x;.com',
    '*.com',
  ])('VISIT_COOKIE_DOMAIN=%s is refused as no domain', (VISIT_COOKIE_DOMAIN) => {
    expect(refusalOf({ ...AT, VISIT_COOKIE_DOMAIN })).toContain('VISIT_COOKIE_DOMAIN must be a domain');
  });

  it.each(['example.org', 'www.example.com', 'th.example.com', 'ample.com'])(
    'VISIT_COOKIE_DOMAIN=%s is refused where PUBLIC_URL is not below it',
    (VISIT_COOKIE_DOMAIN) => {
      expect(refusalOf({ ...AT, VISIT_COOKIE_DOMAIN })).toContain(
        'must be the host of PUBLIC_URL or a domain above it',
      );
    },
  );

  it.each([
    '*',
    'null',
    'app.example.com',
    'https://app.example.com/',
    'https://app.example.com:443',
    'https://*.example.com',
    'javascript:x',
  ])('RETURN_TO_ORIGINS=%s is refused as no origin', (RETURN_TO_ORIGINS) => {
    expect(refusalOf({ RETURN_TO_ORIGINS })).toContain('RETURN_TO_ORIGINS must be a list of origins');
  });
});
