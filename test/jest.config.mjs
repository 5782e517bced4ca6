// Our own code and the ESM packages it uses are compiled to CommonJS on the way in: Jest cannot load ESM on Node 20.
const swc = {
  jsc: {
    target: 'es2022',
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
    keepClassNames: true,
  },
  module: { type: 'commonjs' },
  sourceMaps: 'inline',
};
const esmPackages = [
  '@nestjs',
  '@zxcvbn-ts',
  '@fastify',
  '@borewit',
  '@tokenizer',
  'cookie',
  'es-toolkit',
  'fast-check',
  'fastify',
  'file-type',
  'iterare',
  'jose',
  'oauth4webapi',
  'openid-client',
  'p-limit',
  'pure-rand',
  'sql-template-tag',
  'strtok3',
  'token-types',
  'uid',
  'uint8array-extras',
  'yocto-queue',
];

export default {
  rootDir: '..',
  roots: ['<rootDir>/test/unit', '<rootDir>/test/e2e'],
  testRegex: '\\.test\\.ts$',
  testEnvironment: 'node',
  testTimeout: 60_000,
  // One more than the two cores of a small machine: many tests wait, for mails, processes or an expiry.
  maxWorkers: 3,
  globalSetup: '<rootDir>/test/support/global-setup.mjs',
  globalTeardown: '<rootDir>/test/support/global-teardown.mjs',
  transform: { '^.+\\.(t|j|mj)s$': ['@swc/jest', swc] },
  transformIgnorePatterns: [`/node_modules/(?!(${esmPackages.join('|')})/)`],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  collectCoverageFrom: ['src/**/*.ts'],
};
