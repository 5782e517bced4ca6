import type { Identity } from '../../src/database/history/identity.js';
import {
  type Found,
  judge,
  type Kept,
  PROMOTION_SECONDS,
  reasonToRefuse,
} from '../../src/database/history/verdicts.js';

const SERVER: Identity = {
  systemIdentifier: '7713222731165932996',
  databaseOid: '16384',
  tableOid: '16500',
  timeline: 3,
  recoveryTarget: '',
};
const KEPT: Kept = { ...SERVER, id: 'history', wentBackWhy: null, idleSeconds: 5 };

it.each<[string, Partial<Kept>, Partial<Identity>, RegExp | null]>([
  ['the same one', {}, {}, null],
  ['the same one, however long it was not served', { idleSeconds: 1e9 }, {}, null],
  ['one that was refused before', { wentBackWhy: 'of this' }, {}, /^of this$/],
  ['one in another cluster', {}, { systemIdentifier: '1' }, /another cluster/],
  ['a copy in the same cluster', {}, { databaseOid: '1' }, /another database of the cluster/],
  ['one whose tables a dump has made anew', {}, { tableOid: '1' }, /from a dump/],
  ['one that was just promoted', {}, { timeline: 4 }, null],
  ['one that was promoted twice', {}, { timeline: 5 }, null],
  [
    'one that was promoted, and served last not too long ago',
    { idleSeconds: PROMOTION_SECONDS },
    { timeline: 4 },
    null,
  ],
  [
    'one that was promoted, and served last too long ago',
    { idleSeconds: PROMOTION_SECONDS + 1 },
    { timeline: 4 },
    /of the 15 minutes in between/,
  ],
  ['one that was promoted, and of which no process is known', { idleSeconds: null }, { timeline: 4 }, /a long time/],
  ['one of a timeline before', {}, { timeline: 2 }, /timeline 2, and was served last on timeline 3/],
  [
    'one that was just recovered to a point in time',
    {},
    { timeline: 4, recoveryTarget: 'recovery_target_xid=7' },
    /\(recovery_target_xid=7\)/,
  ],
  [
    'one that was promoted, with the settings of a recovery long ago',
    { recoveryTarget: 'a=b' },
    { timeline: 4, recoveryTarget: 'a=b' },
    null,
  ],
  ['one of a server that does not say which one it is', {}, { systemIdentifier: null, timeline: null }, null],
  ['one of which that was not known', { systemIdentifier: null, timeline: null }, {}, null],
])('A start on a database that is %s is served or refused as it should be', (_, kept, server, reason) => {
  const why = reasonToRefuse({ ...KEPT, ...kept }, { ...SERVER, ...server });
  if (reason === null) {
    expect(why).toBeNull();
  } else {
    expect(why).toMatch(reason);
  }
});

const MEMORY = { historyIds: new Set(['history']), number: 7 };
const FOUND: Found = {
  historyId: 'history',
  cause: 'first',
  wentBackWhy: null,
  number: 7,
  isSettled: false,
  seconds: 10,
};

it.each<[string, Partial<Found>, ReturnType<typeof judge>]>([
  ['has all that it was answered', {}, 'intact'],
  ['has a write whose answer was lost', { number: 8 }, 'intact'],
  ['lacks its last write', { number: 6 }, 'went back'],
  ['lacks its row', { number: null }, 'went back'],
  [
    'lacks its row, on another timeline that a process took for a failover',
    { historyId: 'x', cause: 'promotion', number: null },
    'went back',
  ],
  ['was refused by another process', { wentBackWhy: 'of this' }, 'went back'],
  [
    'was refused by another process although a person has settled it before',
    { wentBackWhy: 'of this', isSettled: true },
    'went back',
  ],
  [
    'lacks its row, and a person has settled it',
    { historyId: 'x', cause: 'sessions_ended', number: null, isSettled: true },
    'anew',
  ],
  ['is new', { historyId: 'x', number: null }, 'anew'],
  ['is empty', { historyId: null, cause: null, number: null }, 'anew'],
  ['has cleaned away its row, a month after it stood still', { number: null, seconds: 30 * 86_400 }, 'anew'],
])('A running process judges a database that %s as it should', (_, found, verdict) => {
  expect(judge(MEMORY, { ...FOUND, ...found })).toBe(verdict);
});
