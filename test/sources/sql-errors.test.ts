// needs: postgres
// Bad input: a clear error, before the first partition is sent.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { SqlDataSource } from '@pymar/sql-source'
import fc from 'fast-check'
import { inline } from '../conformance/transports.ts'
import { List } from '../jobs/lists.ts'
import { Items } from '../jobs/sql.ts'
import { needs } from '../servers/needs.ts'
import { noSession, sql } from './database.ts'

const CONF = process.env['PYMAR_TEST_POSTGRES'] ?? ''

/** A class with these attributes. */
function source(attributes: object) {
  class Orders extends SqlDataSource<unknown> {}
  Object.assign(Orders, { CONF, ...attributes })
  return Orders
}

describe('a source that cannot be read', needs('postgres'), () => {
  before(async () => {
    await drop()
    await sql(`create table pymar_errors (id int primary key, day date, data json); insert into pymar_errors values (1, '2026-01-01', '{}');
      create role pymar_nobody login`)
  })
  after(drop)

  const TABLE = 'pymar_errors'
  const url = new URL(CONF || 'postgres://x')
  const cases: readonly (readonly [what: string, attributes: object, code: string, message: RegExp])[] = [
    [
      'a missing table',
      { TABLE: 'pymar_none' },
      'SOURCE_FAILED',
      /^Cannot plan the partitions of Orders: relation "pymar_none" does not exist; look at TABLE/,
    ],
    ['a missing schema', { TABLE: 'none.t' }, 'SOURCE_FAILED', /schema "none" does not exist; look at the schema in TABLE/],
    ['a missing column', { TABLE, COLUMNS: ['Day'] }, 'SOURCE_FAILED', /column "Day" does not exist; look at COLUMNS/],
    [
      'a missing column to sort by',
      { TABLE, ORDER_BY: 'dy' },
      'SOURCE_FAILED',
      /ORDER_BY names a column "dy", and .*pymar_errors" has id, day, data$/,
    ],
    ['a direction in the name', { TABLE, ORDER_BY: 'day desc' }, 'SOURCE_FAILED', /; write \{ column: 'day', direction: 'desc' \}$/],
    [
      'an order that cannot be sorted',
      { TABLE, ORDER_BY: 'data' },
      'SOURCE_FAILED',
      /could not identify an (ordering|equality) operator for type json; .*jsonb can/,
    ],
    [
      'no right to read',
      { TABLE, CONF: { ...clientConf(url), user: 'pymar_nobody' } },
      'SOURCE_FAILED',
      /permission denied for table pymar_errors; grant SELECT/,
    ],
    [
      'a port where nobody listens',
      { TABLE, CONF: 'postgres://me:secret@127.0.0.1:1/db' },
      'SOURCE_FAILED',
      /^Cannot connect to 127\.0\.0\.1:1 \(database db, user me\) for Orders: .*ECONNREFUSED/,
    ],
    [
      'a URL that is none',
      { TABLE, CONF: 'postgres://me:secret@host:port/db' },
      'INVALID_ARGUMENT',
      /^Cannot read CONF of Orders as it must be a postgres:\/\/ URL/,
    ],
    [
      'a CONF as libpq takes it',
      { TABLE, CONF: 'host=127.0.0.1 password=secret' },
      'INVALID_ARGUMENT',
      /^Cannot read CONF of Orders as it must be/,
    ],
    [
      'a CONF of another type',
      { TABLE, CONF: 5 },
      'INVALID_ARGUMENT',
      /^Cannot read CONF of Orders as it must be .*: current value is number$/,
    ],
    ['a wrong parameter', { TABLE, WHERE: 'id = $1', PARAMS: ['one'] }, 'SOURCE_FAILED', /invalid input syntax for type integer: "one"/],
    [
      'a parameter too few',
      { TABLE, WHERE: 'id = $2', PARAMS: [1] },
      'INVALID_ARGUMENT',
      /^Cannot use the parameters of Orders: its SQL has \$2, and PARAMS has 1 value$/,
    ],
    ['a parameter too many', { TABLE, PARAMS: [1] }, 'INVALID_ARGUMENT', /PARAMS has 1 value, and its SQL has no \$1$/],
    ['a parameter of number 0', { TABLE, WHERE: 'id = $0', PARAMS: [1] }, 'INVALID_ARGUMENT', /its SQL has \$0/],
    [
      'a parameter that is no value',
      { TABLE, WHERE: 'id = $1', PARAMS: [Symbol('x')] },
      'INVALID_ARGUMENT',
      /^Cannot use PARAMS\[0\] of Orders as a parameter: it is a symbol$/,
    ],
    ['a condition that is none', { TABLE, WHERE: 'id = = 1' }, 'SOURCE_FAILED', /syntax error/],
    ['a query that is none', { QUERY: 'select from where' }, 'SOURCE_FAILED', /syntax error/],
    [
      'a query and a table',
      { TABLE, QUERY: 'select 1' },
      'INVALID_ARGUMENT',
      /^Cannot read Orders: it has both TABLE and QUERY; give it one of them$/,
    ],
    ['neither', {}, 'INVALID_ARGUMENT', /^Cannot read Orders: it has neither TABLE nor QUERY/],
    [
      'a column that the query does not give',
      { QUERY: 'select 1 as a', COLUMNS: ['b'] },
      'SOURCE_FAILED',
      /its query gives no column "b"; it gives a$/,
    ],
    [
      'an order that is none',
      { TABLE, ORDER_BY: { column: 'id', direction: 'up' } },
      'INVALID_ARGUMENT',
      /^Cannot read ORDER_BY of Orders as it must be a column/,
    ],
  ]
  for (const [what, attributes, code, message] of cases) {
    test(`is told: ${what}`, async () => {
      await assert.rejects(inline.map(List, source(attributes)), (error: Error & { code: string }) => {
        assert.match(error.message, message)
        assert.equal(error.code, code)
        assert.doesNotMatch(JSON.stringify([error.message, String(error.cause), error.stack]), /secret/)
        return true
      })
      await noSession('pymar job')
    })
  }

  test('is told, though rows have come before: what the server finds wrong while it reads', async () => {
    await sql(`drop table if exists pymar_errors_late; create table pymar_errors_late as select i as id, case when i = 4097 then 'oops' else i::text end as n
      from generate_series(1, 10000) i`)
    for (const attributes of [
      { QUERY: 'select id, n::int as n from pymar_errors_late', ORDER_BY: 'id', COLUMNS: ['n'] },
      { TABLE: 'pymar_errors_late', WHERE: '1 / (id - 4097) is not null' },
      { TABLE: 'pymar_errors_late', WHERE: 'id > 1 or 1 / (id - 1) is not null', COLUMNS: ['id'] },
    ]) {
      for (const count of [1, 5]) {
        List.WORKERS_NUMBER = count
        const message = /Cannot (read|plan the partitions of) Orders: (invalid input syntax for type integer: "oops"|division by zero)/
        await assert.rejects(inline.map(List, source(attributes)), { code: 'SOURCE_FAILED', message })
      }
    }
    await sql('drop table pymar_errors_late')
  })

  test('a class whose attributes the script has changed is refused, since slots have those of the job file', async () => {
    await sql(
      'create table if not exists pymar_items (item int primary key, filler text); insert into pymar_items values (-1) on conflict do nothing',
    )
    Items.WHERE = 'item < 0'
    try {
      const job = List.map(Items, { module: new URL('../jobs/sql.ts', import.meta.url), slots: 1 })
      await assert.rejects(job, { code: 'SOURCE_FAILED', message: /of the script's class are not those of the job file/ })
    } finally {
      Reflect.deleteProperty(Items, 'WHERE')
    }
  })

  test('any text, number, date, list and bytes is a parameter that comes back as it is', async () => {
    const text = fc
      .oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom("'; drop table pymar_errors; --", "\\'", "E'\\'", '$1', '"', '{}', '*/'))
      .map((value) => value.replaceAll('\0', ''))
    const property = fc.asyncProperty(
      text,
      fc.integer(),
      fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true }),
      fc.array(text),
      fc.uint8Array(),
      async (...values) => {
        const read = await inline.map(
          List,
          source({
            QUERY: 'select $1::text as a, $2::int as b, $3::timestamptz as c, $4::text[] as d, $5::bytea as e',
            PARAMS: values,
            ORDER_BY: 'b',
          }),
        )
        assert.deepEqual(read, [values])
      },
    )
    await fc.assert(property, { numRuns: 30 })
  })
})

function clientConf({ hostname, port, pathname }: URL): object {
  return { host: hostname, port: Number(port), database: pathname.slice(1) }
}

async function drop() {
  await sql('drop table if exists pymar_errors; drop role if exists pymar_nobody')
}
