// Who may import whom: a room sees only those below it.
const ROOMS = [
  'streams',
  'admin',
  'auth',
  'sessions',
  'users',
  'limits',
  'mail',
  'audit',
  'database',
  'config',
  'common',
];

const downOnly = ROOMS.map((room, height) => ({
  name: `${room}-looks-down-only`,
  comment: `${room} may import what is below it (${ROOMS.slice(height + 1).join(', ') || 'nothing'}) and nothing else of ours.`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: '^src/', pathNot: `^src/(${ROOMS.slice(height).join('|')})/` },
}));

module.exports = {
  forbidden: [
    ...downOnly,
    {
      name: 'health-stands-aside',
      comment: 'health knows the settings and the database, and nothing of the rooms above.',
      severity: 'error',
      from: { path: '^src/health/' },
      to: { path: '^src/', pathNot: '^src/(health|database|config|common)/' },
    },
    {
      name: 'page-stands-aside',
      comment: 'the page is a client: it knows the rooms by their routes.',
      severity: 'error',
      from: { path: '^src/page/' },
      to: { path: '^src/', pathNot: '^src/(page|common)/' },
    },
    {
      name: 'nobody-imports-metrics',
      comment: 'metrics listens to the rooms, which do not know it.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(metrics/|(app\\.module|workers)\\.ts$)' },
      to: { path: '^src/metrics/' },
    },
    {
      name: 'no-circle',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'repositories-stay-in-their-room',
      comment: 'A room is asked through its service.',
      severity: 'error',
      from: { path: '^src/([^/]+)/' },
      to: { path: '\\.repository\\.ts$', pathNot: '^src/$1/' },
    },
    {
      name: 'no-test-in-src',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^test/' },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
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
