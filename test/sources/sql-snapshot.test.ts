// needs: postgres
// One view of the data for a whole job, whatever others do meanwhile.
import assert from 'node:assert/strict'
import { existsSync, rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import type { Progress } from '@pymar/core'
import { heldFile } from '../jobs/lists.ts'
import { Hold, List, Moving, SlowList } from '../jobs/sql.ts'
import { until } from '../processes.ts'
import { needs } from '../servers/needs.ts'
import { noSession, open, sql, terminate } from './database.ts'

const RUNS = Number(process.env['PYMAR_SNAPSHOT_RUNS'] ?? 5)
const options = { slots: 2, module: new URL('../jobs/sql.ts', import.meta.url) }
const ids = (rows: unknown) => (rows as [number, number][]).map(([id]) => id).sort((a, b) => a - b)
const upTo = (end: number) => Array.from({ length: end }, (_, i) => i)

describe('a snapshot', needs('postgres'), () => {
  before(() => fill(5000))
  after(() => {
    rmSync(heldFile(process.pid), { force: true })
    return sql('drop table if exists pymar_moving, pymar_moved')
  })

  test(`a job finds what one transaction finds, while others update, insert and delete, in ${RUNS} seeded runs`, async () => {
    const stop = new AbortController()
    const writers = [1, 2].map((seed) => keepWriting(seed, stop.signal))
    try {
      for (let run = 0; run < RUNS; run++) {
        List.WORKERS_NUMBER = 16
        let expected: unknown
        Moving.planned = async (snapshot) => {
          expected = await rowsOf(snapshot)
        }
        assert.deepEqual(sorted(await List.map(Moving, options)), expected)
      }
    } finally {
      Moving.planned = undefined
      stop.abort()
      await Promise.all(writers)
    }
  })

  for (const [what, statement] of [
    ['VACUUM FULL', 'vacuum full pymar_moving'],
    ['TRUNCATE', 'truncate pymar_moving'],
    ['ALTER TABLE', 'alter table pymar_moving add column later int default 1'],
  ] as const) {
    test(`${what} waits for the job, and the job does not wait for it`, async () => {
      await fill(5000)
      const order: string[] = []
      const onProgress = ({ done, partitions }: Progress) => done === partitions && order.push('the last partition')
      const job = SlowList.map(Moving, { ...options, onProgress })
      let other: Promise<unknown> | undefined
      for await (const _ of job.partials()) other ??= sql(statement).then(() => order.push(what))
      assert.deepEqual(ids(await job), upTo(5000))
      await other
      assert.deepEqual(order, ['the last partition', what])
    })
  }

  test('a job whose snapshot is lost fails with SOURCE_FAILED, and says why', async () => {
    await fill(5000)
    rmSync(heldFile(process.pid), { force: true })
    const job = Hold.map(Moving, options)
    const failed = assert.rejects(job, {
      code: 'SOURCE_FAILED',
      message: /^Cannot hold the snapshot of Moving: terminating connection due to administrator command; .* start it again$/,
    })
    await until('slots compute', () => existsSync(heldFile(process.pid)), 20_000)
    assert.equal(await terminate('pymar job'), 1)
    await failed
  })

  test('neither the snapshot nor its lock outlives the job, however that ends', async () => {
    await fill(100)
    await List.map(Moving, options)
    await assert.rejects(SlowList.map(Moving, { ...options, timeoutMs: 150 }), { code: 'TIMEOUT' })
    const cancelled = SlowList.map(Moving, options)
    const failed = assert.rejects(cancelled, { code: 'CANCELLED' })
    for await (const _ of cancelled.partials()) break
    cancelled.cancel()
    await failed
    await noSession('pymar job')
    assert.deepEqual(await sql(`select mode from pg_locks where relation = 'pymar_moving'::regclass`), [])
  })
})

async function fill(count: number): Promise<void> {
  await sql(`drop table if exists pymar_moving; create table pymar_moving (id int, amount int, filler text);
    insert into pymar_moving select i, i, repeat('x', 200) from generate_series(0, ${count - 1}) i`)
}

const sorted = (rows: unknown[]) => (rows as [number, number][]).toSorted(([a, b], [c, d]) => a - c || b - d)

/** All rows, as a snapshot holds them. */
async function rowsOf(snapshot: string): Promise<unknown[]> {
  const client = await open()
  try {
    await client.query(`begin isolation level repeatable read; set transaction snapshot '${snapshot}'`)
    return sorted((await client.query({ text: 'select id, amount from pymar_moving', rowMode: 'array' })).rows)
  } finally {
    await client.end()
  }
}

/** Each writer has rows of its own, so that they do not wait for each other. */
async function keepWriting(writer: number, signal: AbortSignal): Promise<void> {
  const client = await open()
  let random = writer
  const next = (below: number) => {
    random = (random * 48271) % 2147483647
    return random % below
  }
  try {
    while (!signal.aborted) {
      const from = next(5000)
      await client.query(
        `update pymar_moving set amount = amount + 1 where id between ${from} and ${from + 500} and id % 2 = ${writer - 1}`,
      )
      const added = 10_000 * writer + next(5000)
      await client.query(`insert into pymar_moving select ${added}, i, repeat('y', 200) from generate_series(0, 50) i`)
      await client.query(`delete from pymar_moving where id = ${10_000 * writer + next(5000)} or id = ${2 * next(2500) + writer - 1}`)
    }
  } finally {
    await client.end()
  }
}
