// needs: postgres
// Tables as they are found in the wild: a job gives what one select gives.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { DataSourceFactory, type PlanContext } from '@pymar/core'
import { SqlDataSource } from '@pymar/sql-source'
import { inline } from '../conformance/transports.ts'
import { List } from '../jobs/lists.ts'
import { needs } from '../servers/needs.ts'
import { open, skippedBefore, sql } from './database.ts'

const URL_OF_ALL = process.env['PYMAR_TEST_POSTGRES'] ?? 'postgres://127.0.0.1'
const context: PlanContext = { params: undefined, length: () => Promise.resolve(0), signal: new AbortController().signal }

function source(attributes: object) {
  class Odd extends SqlDataSource<unknown> {}
  Object.assign(Odd, { CONF: URL_OF_ALL, ...attributes })
  return Odd
}

/** The URL for another role. */
function as(role: string): string {
  const url = new URL(URL_OF_ALL)
  url.username = role
  return url.href
}

describe('a job', needs('postgres'), () => {
  before(async () => {
    await drop()
    await sql('create schema pymar_odd; create role pymar_odd login; grant usage on schema pymar_odd to pymar_odd')
  })
  after(drop)

  const cases: readonly (readonly [what: string, setup: string, attributes: object, select: string])[] = [
    [
      'of a query that gives columns twice, or without names',
      '',
      { QUERY: "select i, i + 1, 'x' as b, i::text as b from generate_series(1, 30) i;" },
      'select i, i + 1, \'x\', i::text from generate_series(1, 30) i order by i::text collate "C"',
    ],
    [
      'over NULLs in a table that inherits',
      `create table pymar_odd.t (a int not null, b int); create table pymar_odd.u () inherits (pymar_odd.t); alter table pymar_odd.u alter a drop not null;
       insert into pymar_odd.t select i, i from generate_series(1, 90) i; insert into pymar_odd.u select null, i from generate_series(1, 10) i`,
      { TABLE: 'pymar_odd.t', ORDER_BY: 'a' },
      'select * from pymar_odd.t order by a, tableoid, ctid',
    ],
    [
      'by a column of rows, some of them NULL in part',
      `create type pymar_odd.pair as (a int, b text); create table pymar_odd.t (id int primary key, x pymar_odd.pair);
       insert into pymar_odd.t select i, case when i % 10 = 0 then null else row(i % 5, nullif(chr(97 + i % 3), 'b'))::pymar_odd.pair end
       from generate_series(1, 300) i`,
      { TABLE: 'pymar_odd.t', COLUMNS: ['id'], ORDER_BY: { column: 'x', nulls: 'first' } },
      'select id from pymar_odd.t order by x nulls first, id',
    ],
    [
      'by a type whose operators are in no schema that is searched',
      `create extension citext schema pymar_odd; create table pymar_odd.t (id int primary key, c pymar_odd.citext);
       insert into pymar_odd.t select i, case when i % 2 = 0 then upper(md5(i::text)) else md5((i - 1)::text) end from generate_series(1, 200) i`,
      { TABLE: 'pymar_odd.t', COLUMNS: ['id'], ORDER_BY: 'c' },
      'set search_path = pymar_odd, public; select id from t order by c, id',
    ],
    [
      'by a column whose collation is not that of its type',
      `create domain pymar_odd.word as text collate "C"; create table pymar_odd.t (id int primary key, a pymar_odd.word collate "POSIX", n name collate "POSIX");
       insert into pymar_odd.t select i, chr(65 + i % 50), chr(65 + i % 7) from generate_series(1, 100) i`,
      { TABLE: 'pymar_odd.t', COLUMNS: ['id'], ORDER_BY: ['n', 'a'] },
      'select id from pymar_odd.t order by n, a, id',
    ],
    [
      'over columns that are called as SQL is written',
      `create table pymar_odd.t (id int primary key, "case" int, "select" date, "" int); insert into pymar_odd.t select i, -i, '2026-01-01' from generate_series(1, 50) i`.replace(
        ', "" int',
        '',
      ),
      { TABLE: 'pymar_odd.t', ORDER_BY: 'case', TYPES: { date: String } },
      'select id, "case", "select"::text from pymar_odd.t order by "case"',
    ],
    [
      'over a partitioned table whose primary key is not valid',
      `create table pymar_odd.t (id int not null, k int not null) partition by list (k); create table pymar_odd.u partition of pymar_odd.t for values in (1);
       insert into pymar_odd.t select i % 10, 1 from generate_series(1, 100) i; alter table only pymar_odd.t add primary key (id, k)`,
      { TABLE: 'pymar_odd.t', ORDER_BY: 'id' },
      'select * from pymar_odd.t order by id',
    ],
    [
      'over a view whose rows differ by case alone, in a collation that takes them for the same',
      `create collation pymar_odd.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
       create table pymar_odd.t (one int, s text collate pymar_odd.loose);
       insert into pymar_odd.t select 1, case when i % 2 = 0 then 'a' else 'A' end from generate_series(1, 500) i; create view pymar_odd.v as select * from pymar_odd.t`,
      { TABLE: 'pymar_odd.v', ORDER_BY: 'one' },
      'select * from pymar_odd.v order by one, s::text collate "C"',
    ],
    [
      'of a role whose settings print keys otherwise',
      `create table pymar_odd.t (t timestamptz primary key, f float8); grant select on pymar_odd.t to pymar_odd;
       insert into pymar_odd.t select '2026-01-01'::timestamptz + i * interval '7 hours', i / 3.0 from generate_series(1, 400) i;
       alter role pymar_odd set extra_float_digits = -10; alter role pymar_odd set datestyle = 'Postgres, DMY'; alter role pymar_odd set timezone = 'Asia/Kolkata'`,
      { TABLE: 'pymar_odd.t', ORDER_BY: 't', CONF: as('pymar_odd') },
      'select * from pymar_odd.t order by t',
    ],
    [
      'of a role that may read some columns only',
      'create table pymar_odd.t (a int, b int); insert into pymar_odd.t select i, i from generate_series(1, 50) i; grant select (a) on pymar_odd.t to pymar_odd',
      { QUERY: 'select a from pymar_odd.t', ORDER_BY: 'a', CONF: as('pymar_odd') },
      'select a from pymar_odd.t order by a',
    ],
  ]
  for (const [what, setup, attributes, select] of cases) {
    test(`${what} gives what a select gives`, async (t) => {
      await sql('drop schema pymar_odd cascade; create schema pymar_odd; grant usage on schema pymar_odd to pymar_odd')
      try {
        await sql(setup)
      } catch (error) {
        if (/extension|ICU|provider|could not open|cannot drop inherited constraint/.test(String(error))) return t.skip(String(error))
        throw error
      }
      const rows = await sql(select)
      const expected = rows.every((row) => row.length === 1) ? rows.flat() : rows
      for (const count of [1, 3, 7]) {
        List.WORKERS_NUMBER = count
        assert.deepEqual(await inline.map(List, source(attributes)), expected, `${count} partitions`)
        const part = await inline.map(List, new DataSourceFactory(source(attributes), { offset: 5, limit: 20 }))
        assert.deepEqual(part, expected.slice(5, 25), `a part, in ${count} partitions`)
      }
    })
  }

  test('of a table whose partition is being detached does not read it', async (t) => {
    if (await skippedBefore(14, t)) return
    await sql(`drop schema pymar_odd cascade; create schema pymar_odd; create table pymar_odd.t (a int) partition by list (a);
      create table pymar_odd.u partition of pymar_odd.t for values in (1); create table pymar_odd.v partition of pymar_odd.t for values in (2);
      insert into pymar_odd.t select i % 2 + 1 from generate_series(1, 20) i`)
    const client = await open()
    await client.query('begin; select from pymar_odd.t')
    const detach = await open()
    await detach.query("set statement_timeout = '3s'")
    await assert.rejects(detach.query('alter table pymar_odd.t detach partition pymar_odd.u concurrently'), /statement timeout/)
    await Promise.all([client.end(), detach.end()])
    assert.deepEqual(
      await inline.map(List, source({ TABLE: 'pymar_odd.t' })),
      Array.from({ length: 10 }, () => 2),
    )
  })

  test('whose table has another name, or another one its name, by the time a slot reads, fails and says so', async () => {
    for (const [setup, change, attributes, stranger] of [
      [
        'create table pymar_odd.t as select 1 as a',
        'alter schema pymar_odd rename to pymar_odd_old; create schema pymar_odd; create table pymar_odd.t as select 2 as a',
        { TABLE: 'pymar_odd.t', ORDER_BY: 'a' },
        't',
      ],
      [
        'create table pymar_odd.t as select 1 as a',
        'alter schema pymar_odd rename to pymar_odd_old; create schema pymar_odd; create table pymar_odd.t as select 2 as a',
        { QUERY: 'select a from pymar_odd.t', ORDER_BY: 'a' },
        't',
      ],
      [
        'create table pymar_odd.t (a int) partition by list (a); create table pymar_odd.u partition of pymar_odd.t for values in (1); create table pymar_odd.v (a int); insert into pymar_odd.v values (2); insert into pymar_odd.t values (1)',
        'alter table pymar_odd.t attach partition pymar_odd.v for values in (2)',
        { TABLE: 'pymar_odd.t', ORDER_BY: 'a' },
        'v',
      ],
    ] as const) {
      await sql(`drop schema if exists pymar_odd_old cascade; drop schema pymar_odd cascade; create schema pymar_odd; ${setup}`)
      const of = source(attributes)
      const plan = await of.partitions(1, context)
      await sql(change)
      const slice = new (of as unknown as new (offset?: number, limit?: number) => SqlDataSource<unknown>)(0, 1)
      Object.defineProperties(slice, { hint: { value: plan.partitions[0]?.hint }, shared: { value: plan.shared } })
      await assert.rejects(slice.blocks(context.signal)[Symbol.asyncIterator]().next(), {
        code: 'SOURCE_FAILED',
        message: new RegExp(
          `pymar_odd\\.${stranger} was attached, created or renamed, and is none of the job's tables: start the job again$`,
        ),
      })
      await plan.close?.()
    }
  })
})

async function drop() {
  await sql('drop schema if exists pymar_odd, pymar_odd_old cascade; drop role if exists pymar_odd')
}
