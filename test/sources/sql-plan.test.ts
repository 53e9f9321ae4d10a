// needs: postgres
// How partitions are read: each page and each row by one of them, by where it lies or along an index, never by skipping.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Partition, Plan, PlanContext } from '@pymar/core'
import { type Order, SqlDataSource } from '@pymar/sql-source'
import { readSettings } from '../../packages/sql-source/dist/settings.js'
import type { Shared } from '../../packages/sql-source/dist/shared.js'
import { selectSql } from '../../packages/sql-source/dist/statement.js'
import { inline } from '../conformance/transports.ts'
import { List } from '../jobs/lists.ts'
import { needs } from '../servers/needs.ts'
import { skippedBefore, sql } from './database.ts'

abstract class Planned extends SqlDataSource<unknown> {
  static override CONF = process.env['PYMAR_TEST_POSTGRES'] ?? ''
}

/** A source's plan, closed, with what the server would do for each of its partitions. */
async function explained(source: typeof Planned, count: number, extent: Pick<PlanContext, 'offset' | 'limit'> = {}) {
  const context: PlanContext = { params: undefined, length: () => Promise.resolve(0), signal: new AbortController().signal, ...extent }
  const plan: Plan = await source.partitions(count, context)
  await plan.close?.()
  const settings = readSettings(source)
  const statements = plan.partitions.map(({ limit, hint }) => selectSql(settings, plan.shared as Shared, { limit, hint }))
  const plans: string[] = []
  for (const statement of statements) plans.push((await sql<[string]>(`explain ${statement}`)).flat().join('\n'))
  return { partitions: plan.partitions as Partition[], plans, statements }
}

const even = (list: readonly number[]) => Math.max(...list) - Math.min(...list) <= 1

describe('a plan', needs('postgres'), () => {
  before(async () => {
    await drop()
    await sql(`
      create table pymar_planned (id int primary key, word text not null, maybe int, filler text);
      insert into pymar_planned select i, 'word ' || i % 1000, nullif(i % 500, 0), repeat('x', 100) from generate_series(1, 50000) i;
      create index on pymar_planned (word, id); create index on pymar_planned (maybe, id);
      create table pymar_planned_parts (day int, amount int) partition by range (day);
      create table pymar_planned_early partition of pymar_planned_parts for values from (0) to (10);
      create table pymar_planned_late partition of pymar_planned_parts for values from (10) to (20);
      create table pymar_planned_empty partition of pymar_planned_parts for values from (20) to (30);
      insert into pymar_planned_parts select i % 20, i from generate_series(1, 20000) i;
      create table pymar_planned_uneven (id int, filler text);
      insert into pymar_planned_uneven select i, repeat('x', 500) from generate_series(1, 10000) i`)
    await sql('vacuum analyze pymar_planned')
    // Whole pages without a row, in the middle.
    await sql('delete from pymar_planned_uneven where id between 1000 and 9000')
    await sql('vacuum pymar_planned_uneven')
  })
  after(drop)

  test('partitions without an order are ranges of blocks, of as many each, the last one without an end', async (t) => {
    if (await skippedBefore(14, t)) return
    class Blocks extends Planned {
      static override TABLE = 'pymar_planned'
    }
    const { partitions, plans, statements } = await explained(Blocks, 7)
    assert.equal(partitions.length, 7)
    assert.ok(even(partitions.map(({ limit }) => limit)))
    for (const plan of plans) assert.match(plan, /^Tid Range Scan on pymar_planned/)
    assert.match(statements[0] as string, / where "pymar_planned"\."ctid" < /)
    assert.doesNotMatch(statements[6] as string, /"ctid" < /)
  })

  test('partitions of a partitioned table are ranges of blocks of its leaves', async (t) => {
    if (await skippedBefore(14, t)) return
    class Leaves extends Planned {
      static override TABLE = 'pymar_planned_parts'
      static override WHERE = 'pymar_planned_parts.amount > 10'
      static override COLUMNS = ['amount']
    }
    const { plans, partitions } = await explained(Leaves, 3)
    assert.equal(partitions.length, 3)
    for (const plan of plans) assert.match(plan, /Tid Range Scan on pymar_planned_(early|late)/)
    for (const count of [1, 3, 50]) {
      List.WORKERS_NUMBER = count
      const amounts = (await inline.map(List, Leaves)) as number[]
      assert.deepEqual(
        amounts.toSorted((a, b) => a - b),
        Array.from({ length: 19_990 }, (_, i) => i + 11),
      )
    }
  })

  test('partitions without an order are ranges of the primary key where a server cannot read a range of blocks', async (t) => {
    const [version] = await sql<[string]>('show server_version_num')
    if (Number(version?.[0]) >= 140_000) return t.skip('this one can')
    class Blocks extends Planned {
      static override TABLE = 'pymar_planned'
    }
    const { partitions, plans } = await explained(Blocks, 7)
    assert.ok(even(partitions.map(({ limit }) => limit)))
    for (const plan of plans) assert.match(plan, /Index Cond/)
  })

  test('there are more ranges where rows are spread unevenly', async (t) => {
    if (await skippedBefore(14, t)) return
    class Uneven extends Planned {
      static override TABLE = 'pymar_planned_uneven'
    }
    const { partitions } = await explained(Uneven, 8)
    assert.ok(partitions.length > 16, `${partitions.length} ranges`)
    List.WORKERS_NUMBER = 8
    assert.equal((await inline.map(List, Uneven)).length, 1999)
  })

  for (const [what, order] of [
    ['the primary key', 'id'],
    ['the primary key, descending', { column: 'id', direction: 'desc' }],
    ['two columns with an index', ['word', 'id']],
    ['a column with NULLs', ['maybe', 'id']],
  ] as const satisfies readonly (readonly [string, Order | readonly Order[]])[]) {
    test(`partitions by ${what} are ranges of an index, of as many rows each`, async () => {
      class Keys extends Planned {
        static override TABLE = 'pymar_planned'
        static override ORDER_BY = order
      }
      const { partitions, plans } = await explained(Keys, 8)
      assert.ok(even(partitions.map(({ limit }) => limit)))
      for (const [i, plan] of plans.entries()) {
        assert.match(plan, /Index (Only )?Scan|Bitmap Index Scan/, `partition ${i}: ${plan}`)
        assert.match(plan, /Index Cond/, `partition ${i}: ${plan}`)
        assert.doesNotMatch(plan, /Limit/, `partition ${i}: ${plan}`)
      }
    })
  }

  test('an explicit offset and limit are found along the primary key, and never skipped by a partition', async () => {
    class Some extends Planned {
      static override TABLE = 'pymar_planned'
    }
    const { partitions, plans } = await explained(Some, 4, { offset: 40_000, limit: 1000 })
    assert.deepEqual(
      partitions.map(({ offset, limit }) => [offset, limit]),
      [
        [40_000, 250],
        [40_250, 250],
        [40_500, 250],
        [40_750, 250],
      ],
    )
    for (const plan of plans) {
      assert.match(plan, /Index Cond/)
      assert.doesNotMatch(plan, /Limit/)
    }
  })

  test('columns may be called as the statements around them call theirs', async () => {
    await sql(`create table pymar_planned_names (b text, k0 int, n int, c0 int, ordered int, pymar int);
      insert into pymar_planned_names select 'text ' || i, -i, i, i, i, i from generate_series(1, 20000) i`)
    class Names extends Planned {
      static override TABLE = 'pymar_planned_names'
      static override COLUMNS = ['k0']
    }
    List.WORKERS_NUMBER = 8
    assert.equal((await inline.map(List, Names)).length, 20_000)
    class ByName extends Names {
      static override ORDER_BY = ['k0', 'b'] as const
    }
    assert.deepEqual(
      await inline.map(List, ByName),
      Array.from({ length: 20_000 }, (_, i) => i - 20_000),
    )
  })

  test('policies of leaves do not hold for who reads the table', async () => {
    await sql(`create table pymar_planned_policies (day int) partition by range (day);
      create table pymar_planned_policies_1 partition of pymar_planned_policies for values from (0) to (10);
      create table pymar_planned_policies_2 partition of pymar_planned_policies for values from (10) to (20);
      alter table pymar_planned_policies_2 enable row level security;
      insert into pymar_planned_policies select i % 20 from generate_series(1, 2000) i;
      create role pymar_reader login; grant select on pymar_planned_policies, pymar_planned_policies_1, pymar_planned_policies_2 to pymar_reader`)
    const conf = new URL(process.env['PYMAR_TEST_POSTGRES'] ?? '')
    conf.username = 'pymar_reader'
    class Policies extends Planned {
      static override CONF = conf.href
      static override TABLE = 'pymar_planned_policies'
    }
    List.WORKERS_NUMBER = 4
    assert.equal((await inline.map(List, Policies)).length, 2000)
  })

  test('names with quotes, upper case, spaces and others than ASCII are taken as they are', async () => {
    class Named extends Planned {
      static override TABLE = ['Schéma "x"', 'a.b "Tab\'le"'] as const
      static override COLUMNS = ['Größe', 'a "b" $1']
      static override WHERE = '"Größe" > $1'
      static override PARAMS = [1]
      static override ORDER_BY = { column: 'a "b" $1', direction: 'desc' } as const
    }
    await sql(`create schema "Schéma ""x"""; create table "Schéma ""x"""."a.b ""Tab'le""" ("Größe" int, "a ""b"" $1" text);
      insert into "Schéma ""x"""."a.b ""Tab'le""" values (1, 'a'), (2, 'b'), (3, 'c')`)
    List.WORKERS_NUMBER = 2
    assert.deepEqual(await inline.map(List, Named), [
      [3, 'c'],
      [2, 'b'],
    ])
    class Unsorted extends Named {
      static override ORDER_BY = undefined as never
    }
    assert.equal((await inline.map(List, Unsorted)).length, 2)
  })
})

async function drop() {
  await sql(`drop table if exists pymar_planned, pymar_planned_parts, pymar_planned_uneven, pymar_planned_names, pymar_planned_policies;
    drop role if exists pymar_reader; drop schema if exists "Schéma ""x""" cascade`)
}
