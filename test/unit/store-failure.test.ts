import { DatabaseError } from 'pg';
import { toProblem } from '../../src/problems/problem.filter.js';

const withCode = (code: string) => Object.assign(new DatabaseError('said by the server', 0, 'error'), { code });

it('What a server says that is no primary, or not yet, or no more, is answered 503', () => {
  const codes = {
    '0A000': 'cannot access temporary or unlogged relations during recovery',
    '25006': 'cannot execute UPDATE in a read-only transaction',
    '40003': 'the wait for the standbys was ended',
    '53300': 'sorry, too many clients already',
    '55000': 'recovery is in progress',
    '57P01': 'terminating connection due to administrator command',
    '57P02': 'terminating connection because of crash of another server process',
    '57P03': 'the database system is starting up',
    '08006': 'connection failure',
    '08P01': 'server conn crashed, as PgBouncer says',
    '58000': 'a request for a file failed',
  };
  for (const code of Object.keys(codes)) {
    expect([code, toProblem(withCode(code)).status]).toEqual([code, 503]);
  }
});

it('A mistake of ours stays one', () => {
  for (const code of ['23505', '42P01', '42601', '22P02', '25001', '01000']) {
    expect([code, toProblem(withCode(code)).status]).toEqual([code, 500]);
  }
});
