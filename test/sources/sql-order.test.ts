// needs: postgres
// Exact positions: whatever rows are sorted by, partitions hold each of them once, in order.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { DataSourceFactory } from '@pymar/core'
import { type Order, SqlDataSource } from '@pymar/sql-source'
import fc from 'fast-check'
import { inline } from '../conformance/transports.ts'
import { List } from '../jobs/lists.ts'
import { needs, serverUrl } from '../servers/needs.ts'
import { sql } from './database.ts'

abstract class Sorted extends SqlDataSource<unknown> {
  static override CONF = process.env['PYMAR_TEST_POSTGRES'] ?? ''
}

const COLUMNS = ['small', 'word', 'day', 'real number', 'flag', 'ÄÖ"ü', 'id']
const KINDS = {
  'a table with a primary key': { table: 'pymar_sorted', breaker: 'id' },
  'a table without one': { table: 'pymar_sorted_plain', breaker: 'ctid' },
  'a partitioned table': { table: 'pymar_sorted_parts', breaker: 'tableoid, ctid' },
  'a table that others inherit from': { table: 'pymar_sorted_parent', breaker: 'tableoid, ctid' },
  'a materialized view': { table: 'pymar_sorted_kept', breaker: 'ctid' },
}

describe('ORDER_BY', needs('postgres'), () => {
  before(async () => {
    const columns = `id int primary key, small int, word text, day date, "real number" float8, flag boolean not null, "ÄÖ""ü" numeric`
    const plain = columns.replace(' primary key', '')
    const rows = (from: number, to: number) =>
      `select i, nullif(i % 5, 0), nullif((array['b', 'ä', 'B', 'a b', ''])[i % 5 + 1], 'B'), date '2026-01-01' + i % 3, nullif(i % 7, 3) / 2.0, i % 2 = 0,
      case when i % 11 = 0 then 'NaN'::numeric else i % 4 / 3.0 end from generate_series(${from}, ${to}) i order by md5(i::text)`
    await drop()
    await sql(`
      create table pymar_sorted (${columns}); insert into pymar_sorted ${rows(1, 200)}; create index on pymar_sorted (small, word desc);
      create table pymar_sorted_plain (${plain}); insert into pymar_sorted_plain ${rows(1, 200)};
      create table pymar_sorted_parts (${plain}) partition by list (flag);
      create table pymar_sorted_even partition of pymar_sorted_parts for values in (true);
      create table pymar_sorted_odd partition of pymar_sorted_parts for values in (false); insert into pymar_sorted_parts ${rows(1, 200)};
      create table pymar_sorted_parent (${columns}); create table pymar_sorted_child () inherits (pymar_sorted_parent);
      insert into pymar_sorted_parent ${rows(1, 100)}; insert into pymar_sorted_child ${rows(50, 150)};
      create materialized view pymar_sorted_kept as ${rows(1, 200).replace('select i,', 'select i as id,').replace('nullif(i % 5, 0),', 'nullif(i % 5, 0) as small,').replace("'B'),", "'B') as word,").replace('i % 3,', 'i % 3 as day,').replace('/ 2.0,', '/ 2.0 as "real number",').replace('i % 2 = 0,', 'i % 2 = 0 as flag,').replace('/ 3.0 end', '/ 3.0 end as "ÄÖ""ü"')};
      create view pymar_sorted_view as select * from pymar_sorted_plain`)
  })
  after(drop)

  const order = fc.record({
    column: fc.constantFrom(...COLUMNS),
    direction: fc.constantFrom('asc' as const, 'desc' as const),
    nulls: fc.constantFrom('first' as const, 'last' as const),
  })
  const orders = fc.uniqueArray(order, { minLength: 1, maxLength: 3, selector: ({ column }) => column })
  const orderSql = (list: readonly Exclude<Order, string>[]) =>
    list.map(({ column, direction, nulls }) => `"${column.replaceAll('"', '""')}" ${direction} nulls ${nulls}`).join(', ')

  for (const [kind, { table, breaker }] of Object.entries(KINDS)) {
    test(`rows of ${kind} come once and in order, from any offset on and up to any limit`, async () => {
      const extent = fc.record({ offset: fc.nat(220), limit: fc.nat(220) }, { requiredKeys: [] })
      const property = fc.asyncProperty(orders, extent, fc.integer({ min: 1, max: 9 }), async (list, { offset = 0, limit }, count) => {
        class Rows extends Sorted {
          static override TABLE = table
          static override ORDER_BY = list
          static override COLUMNS = ['id', 'small', 'word']
        }
        List.WORKERS_NUMBER = count
        const source = new DataSourceFactory(Rows, { offset, ...(limit !== undefined && { limit }) })
        const statement = `select id, small, word from ${table} order by ${orderSql(list)}, ${breaker} offset ${offset} limit ${limit ?? 'all'}`
        assert.deepEqual(await inline.map(List, source), await sql(statement))
      })
      await fc.assert(property, { numRuns: 25 })
    })
  }

  test('rows of a view, and of a query, come once and in order, though nothing tells those apart that are sorted alike', async () => {
    const property = fc.asyncProperty(
      orders,
      fc.nat(220),
      fc.nat(220),
      fc.integer({ min: 1, max: 9 }),
      async (list, offset, limit, count) => {
        class View extends Sorted {
          static override TABLE = 'pymar_sorted_view'
          static override ORDER_BY = list
        }
        class Query extends Sorted {
          static override QUERY = 'select * from pymar_sorted_plain where id > $1 -- all of them'
          static override PARAMS = [0]
          static override ORDER_BY = list
        }
        List.WORKERS_NUMBER = count
        const columns = list.map(({ column }) => `"${column.replaceAll('"', '""')}"`).join(', ')
        const expected = await sql(`select ${columns} from pymar_sorted_plain order by ${orderSql(list)}`)
        for (const source of [View, Query]) {
          const rows = (await inline.map(List, source)) as unknown[][]
          assert.equal(new Set(rows.map(String)).size, 200)
          const at = list.map(({ column }) => ['id', 'small', 'word', 'day', 'real number', 'flag', 'ÄÖ"ü'].indexOf(column))
          assert.deepEqual(
            rows.map((row) => at.map((i) => row[i])),
            expected,
          )
          const part = await inline.map(List, new DataSourceFactory(source, { offset, limit }))
          assert.deepEqual(part, rows.slice(offset, offset + limit))
        }
      },
    )
    await fc.assert(property, { numRuns: 15 })
  })

  test('rows of a query without an order are read by position, which is said once', async () => {
    const warnings: string[] = []
    const listen = ({ message }: Error) => warnings.push(message)
    process.on('warning', listen)
    class Unordered extends Sorted {
      static override QUERY = "select id % 3 as x, 'word ' || id % 2 as x, '{}'::json as j from pymar_sorted"
    }
    for (const count of [1, 4, 7]) {
      List.WORKERS_NUMBER = count
      const rows = (await inline.map(List, Unordered)) as unknown[][]
      assert.deepEqual(rows.map(([x]) => x).sort(), Array.from({ length: 200 }, (_, i) => (i + 1) % 3).sort())
      assert.deepEqual(
        [rows[0], rows[199]],
        [
          [0, 'word 0', {}],
          [2, 'word 1', {}],
        ],
      )
    }
    await new Promise((turn) => setImmediate(turn))
    process.off('warning', listen)
    assert.equal(
      warnings.filter((message) => /^Unordered has no key to be cut up by, so each partition computes all of its query/.test(message))
        .length,
      1,
    )
  })
})

async function drop() {
  if (!serverUrl('postgres')) return
  await sql(`drop materialized view if exists pymar_sorted_kept; drop view if exists pymar_sorted_view;
    drop table if exists pymar_sorted, pymar_sorted_plain, pymar_sorted_parts, pymar_sorted_child, pymar_sorted_parent`)
}
