// needs: postgres
// Connections: kept while they are of use, and ended with whatever the server does for them.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { PlanContext } from '@pymar/core'
import { SqlDataSource } from '@pymar/sql-source'
import { inline } from '../conformance/transports.ts'
import { Asleep, Items, List, Sessions, SlowBlocks, Strict } from '../jobs/sql.ts'
import { until } from '../processes.ts'
import { needs } from '../servers/needs.ts'
import { noSession, open, skippedBefore, sql } from './database.ts'

const options = { slots: 1, module: new URL('../jobs/sql.ts', import.meta.url) }
const context: PlanContext = { params: undefined, length: () => Promise.resolve(0), signal: new AbortController().signal }

describe('a session', needs('postgres'), () => {
  before(() => sql('create table if not exists pymar_items (item int primary key, filler text); create table pymar_waits as select 1 as a'))
  after(() => sql('drop table if exists pymar_items, pymar_waits'))

  test('is one for each slot, from one partition to the next and from one job to the next', async () => {
    const warnings: string[] = []
    const listen = ({ message }: Error) => warnings.push(message)
    process.on('warning', listen)
    List.WORKERS_NUMBER = 12
    const [first, second] = [await List.map(Sessions, options), await List.map(Sessions, options)]
    assert.equal(first.length, 12)
    assert.equal(new Set([...first, ...second]).size, 1)
    assert.equal(new Set([...(await inline.map(List, Sessions)), ...(await inline.map(List, Sessions))]).size, 1)
    process.off('warning', listen)
    assert.deepEqual(warnings, [])
  })

  test('does not wait in a transaction, nor count as slow, while user code computes', async () => {
    assert.equal((await SlowBlocks.map(Strict, options)).length, 3000)
  })

  test('is ended within a second when its job is cancelled while the server computes', async () => {
    List.WORKERS_NUMBER = 2
    const job = List.map(Asleep, { ...options, slots: 2 })
    const failed = assert.rejects(job, { code: 'CANCELLED' })
    await until('both read', async () => (await active('pymar slot')) === 2, 15_000)
    job.cancel()
    await noSession('pymar slot', "state = 'active'", 1000)
    await failed
  })

  test('that waits for its lock, or that looks for keys, ends with its job', async () => {
    const client = await open()
    await client.query('begin; lock table pymar_waits')
    class Waits extends Items {
      static override TABLE = 'pymar_waits'
    }
    await assert.rejects(inline.map(List, Waits, { timeoutMs: 300 }), { code: 'TIMEOUT' })
    await noSession('pymar job', 'true', 1000)
    await client.end()
    class Counts extends SqlDataSource<unknown> {
      static override CONF = Items.CONF
      static override QUERY = 'select i from generate_series(1, 3000) i where pg_sleep(0.01) is not null'
      static override ORDER_BY = 'i'
    }
    await assert.rejects(inline.map(List, Counts, { timeoutMs: 300 }), { code: 'TIMEOUT' })
    await noSession('pymar job', 'true', 1000)
  })

  test('of a slot that finds no snapshot reads nothing, and says what may be', async () => {
    const plan = await Sessions.partitions(1, context)
    await plan.close?.()
    const slice = sliceOf(Sessions, plan.partitions[0], plan.shared)
    await assert.rejects(slice.blocks(context.signal)[Symbol.asyncIterator]().next(), {
      code: 'SOURCE_FAILED',
      message:
        /^Cannot read Sessions: its snapshot is gone: .+; the script's connection holds it, and was lost; or a worker reads another server/,
    })
  })

  test('of a slot that finds its table rewritten reads nothing', async (t) => {
    if (await skippedBefore(14, t)) return
    await sql('insert into pymar_items select i from generate_series(1, 10) i on conflict do nothing')
    const plan = await Items.partitions(1, context)
    await plan.close?.()
    await sql('vacuum full pymar_items')
    // Of somebody else, as if the script's had ended between a slot's import and its lock.
    const client = await open()
    await client.query('begin isolation level repeatable read')
    const { rows } = await client.query<{ id: string }>('select pg_export_snapshot() as id')
    const slice = sliceOf(Items, plan.partitions[0], { ...(plan.shared as object), snapshot: rows[0]?.id })
    await assert.rejects(slice.blocks(context.signal)[Symbol.asyncIterator]().next(), {
      code: 'SOURCE_FAILED',
      message: /"pymar_items" was rewritten since its partitions were planned/,
    })
    await client.end()
  })

  test('parses values by TYPES, of whichever name, and fails with what a parser throws', async () => {
    class Typed extends SqlDataSource<unknown> {
      static override CONF = Items.CONF
      static override QUERY = "select 1::int8 as a, 2.50::numeric as b, 'x' as c, '{1,NULL}'::int8[] as d"
      static override ORDER_BY = 'a'
      static override TYPES = { bigint: Number, numeric: Number.parseFloat, _int8: (text: string) => text.length }
    }
    List.WORKERS_NUMBER = 1
    assert.deepEqual(await inline.map(List, Typed), [[1, 2.5, 'x', 8]])
    class Throws extends Typed {
      static override TYPES = {
        int8: () => {
          throw new RangeError('too large for me')
        },
      } as never
    }
    await assert.rejects(inline.map(List, Throws), { code: 'USER_ERROR', message: /RangeError: too large for me/ })
    assert.deepEqual(await inline.map(List, Typed), [[1, 2.5, 'x', 8]])
  })
})

function sliceOf(
  source: typeof SqlDataSource<any>,
  partition: { offset: number; limit: number; hint?: unknown } | undefined,
  shared: unknown,
) {
  const slice = new (source as unknown as new (offset?: number, limit?: number) => SqlDataSource<unknown>)(
    partition?.offset,
    partition?.limit,
  )
  return Object.defineProperties(slice, { hint: { value: partition?.hint }, shared: { value: shared } })
}

async function active(applicationName: string): Promise<number> {
  const [row] = await sql<[string]>(
    `select count(*) from pg_stat_activity where application_name = '${applicationName}' and state = 'active'`,
  )
  return Number(row?.[0])
}
