// Who may import whom: down only. A feature is imported by app.module.ts alone, and imports no other.
const FEATURES = [
  'account',
  'admin',
  'dev-mails',
  'forward-auth',
  'health',
  'metrics',
  'oauth',
  'pages',
  'places',
  'session-events',
  'signals',
];
const CORE = [
  ['service-clients'],
  ['auth'],
  ['sessions'],
  ['users'],
  ['limits', 'mail', 'keys'],
  ['audit'],
  ['database'],
  ['http'],
  ['config', 'texts'],
  ['problems'],
];

// What of a feature the package gives to other applications.
const EXPORTED = { 'session-events': '|hosted/|latchkey\\.ts$' };

// Its entry is beside its folder, as /client.mjs is beside /client/.
const CLIENT = '^src/client(/|\\.(mjs|d\\.mts)$)';

const core = CORE.flatMap((folders, height) =>
  folders.map((folder) => ({
    name: `${folder}-imports-down-only`,
    comment: `${folder} may import what is below it (${
      CORE.slice(height + 1)
        .flat()
        .join(', ') || 'nothing'
    }) and nothing else of ours.`,
    severity: 'error',
    from: { path: `^src/${folder}/` },
    to: { path: '^src/', pathNot: `^src/(${[folder, ...CORE.slice(height + 1).flat()].join('|')})/` },
  })),
);

const features = FEATURES.flatMap((folder) => [
  {
    name: `${folder}-imports-the-core-only`,
    comment: `${folder} is a feature: it may import the core, and no other feature.`,
    severity: 'error',
    from: { path: `^src/${folder}/` },
    to: { path: '^src/', pathNot: [`^src/(${[folder, ...CORE.flat()].join('|')})/`, CLIENT] },
  },
  {
    name: `${folder}-is-imported-by-app-module-alone`,
    comment: `${folder} is a feature: with its folder and its line in app.module.ts it is gone.`,
    severity: 'error',
    from: { path: '^src/', pathNot: `^src/(${folder}/|app\\.module\\.ts$${EXPORTED[folder] ?? ''})` },
    to: { path: `^src/${folder}/` },
  },
]);

module.exports = {
  forbidden: [
    ...core,
    ...features,
    {
      name: 'client-imports-nothing-else',
      comment:
        'The client runs in browsers and in other applications: it has no dependencies, and nothing of the service.',
      severity: 'error',
      from: { path: CLIENT },
      to: { pathNot: CLIENT },
    },
    {
      name: 'client-is-used-by-the-pages-alone',
      comment:
        'The files of the browser import the client by the address that it is served at, which is its path here too.',
      severity: 'error',
      from: { path: '^src/', pathNot: [CLIENT, '^src/pages/public/'] },
      to: { path: CLIENT },
    },
    {
      name: 'no-circle',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'repositories-stay-in-their-folder',
      comment: 'A folder is asked through its service.',
      severity: 'error',
      from: { path: '^src/([^/]+)/' },
      to: { path: '\\.repository\\.ts$', pathNot: '^src/$1/' },
    },
    {
      name: 'no-repository-outside-folders',
      comment: 'The files beside the folders ask services too.',
      severity: 'error',
      from: { path: '^src/[^/]+$' },
      to: { path: '\\.repository\\.ts$' },
    },
    {
      name: 'verifier-stands-alone',
      comment: 'verifier runs in services of others: it imports nothing else of ours.',
      severity: 'error',
      from: { path: '^src/verifier/' },
      to: { path: '^src/', pathNot: '^src/verifier/' },
    },
    {
      name: 'verifier-is-for-other-services',
      comment: 'The service itself asks the session checker.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/verifier/' },
      to: { path: '^src/verifier/' },
    },
    {
      name: 'verifier-needs-no-framework',
      comment: 'Of a framework the verifier knows only what it uses of it; the guard for Nest has an entry of its own.',
      severity: 'error',
      from: { path: '^src/verifier/', pathNot: '^src/verifier/nest\\.ts$' },
      to: {
        dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer'],
        pathNot: '/node_modules/(jose|lru-cache)/|^node_modules/(jose|lru-cache)/',
      },
    },
    {
      name: 'no-test-in-src',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^test/' },
    },
    {
      name: 'resolvable',
      comment: 'But for files of the browser, which resolves what they import by the address they are served at.',
      severity: 'error',
      from: { pathNot: '^src/pages/public/' },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    parser: 'swc',
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'node', 'default'] },
  },
};
