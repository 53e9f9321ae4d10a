import assert from 'node:assert/strict'
import { existsSync, rmSync } from 'node:fs'
import { after, describe, test } from 'node:test'
import { DataSourceFactory, type Job, type PymarError, type SourceClass } from '@pymar/core'
import { type AnyProducer, inline, local, type Subject } from '../conformance/transports.ts'
import { Hold, heldFile, List } from '../jobs/lists.ts'
import { until } from '../processes.ts'

/** A source of a database, under test, over data that the suite fills in: items 0, 1, 2, ... */
export interface SourceSubject {
  readonly name: string
  readonly options: { readonly skip: string | false }
  /** The job file: it exports the classes, and all of jobs/lists.ts. */
  readonly module: URL
  /** The class. Its items are numbers. */
  readonly source: SourceClass
  /** The same with some 1,000 bytes more for each item: more than sockets hold. */
  readonly wide: SourceClass
  /** So many items take a while to read. Default 50,000. */
  readonly many?: number
  /** Makes the data anew: the items from 0 to `count - 1`, stored in no particular order. */
  fill(count: number): Promise<void>
  remove(): Promise<void>
  /** Ends the server's side of every connection that a partition is read over. */
  cutReaders(): Promise<number>
  /** How many statements of slots the server is working on. */
  busyReaders(): Promise<number>
}

/** A statement begins, or ends, within so many milliseconds: a slot may have to be started for it. */
const STATEMENT_LIMIT_MS = 15_000
const TRANSPORTS: readonly Subject[] = [inline, local(2)]
const upTo = (end: number, from = 0) => Array.from({ length: end - from }, (_, i) => from + i)

/** What every source of a database must do, whatever carries its partitions. */
export function sourceSuite(subject: SourceSubject) {
  const { source, wide, options, name, module, many = 50_000 } = subject
  const start = (transport: Subject, producer: AnyProducer, of: unknown): Job<any> => transport.map(producer, of, { module } as object)
  const read = (transport: Subject, of: unknown = source): Job<number[]> => start(transport, List, of)

  describe(`${name} as a source`, options, () => {
    after(async () => {
      rmSync(heldFile(process.pid), { force: true })
      await subject.remove()
    })

    for (const transport of TRANSPORTS) {
      test(`partitions hold each item once, however many there are, over ${transport.name}`, async () => {
        await subject.fill(1000)
        for (const count of [1, 2, 7, 64]) {
          List.WORKERS_NUMBER = count
          const items = await read(transport)
          assert.deepEqual(
            items.toSorted((a, b) => a - b),
            upTo(1000),
            `${count} partitions`,
          )
        }
      })

      test(`an offset and a limit give those items, in order, over ${transport.name}`, async () => {
        await subject.fill(100)
        for (const [offset, limit, count] of [
          [0, 100, 5],
          [0, 1, 3],
          [10, 5, 2],
          [37, 50, 7],
          [90, 50, 4],
          [99, 1, 1],
          [100, 5, 2],
          [500, 5, 2],
          [20, 0, 2],
        ] as const) {
          List.WORKERS_NUMBER = count
          const items = await read(transport, new DataSourceFactory(source, { offset, limit }))
          assert.deepEqual(items, upTo(Math.min(100, offset + limit), Math.min(100, offset)), `offset ${offset}, limit ${limit}`)
        }
        List.WORKERS_NUMBER = 3
        assert.deepEqual(await read(transport, new DataSourceFactory(source, { offset: 60 })), upTo(100, 60))
      })

      test(`no items give reduceFn([]), over ${transport.name}`, async () => {
        await subject.fill(0)
        assert.deepEqual(await read(transport), [])
      })

      test(`data that has changed is read as it is now, over ${transport.name}`, async () => {
        await subject.fill(10)
        assert.equal((await read(transport)).length, 10)
        await subject.fill(20)
        assert.equal((await read(transport)).length, 20)
      })
    }

    test('a job that is cancelled while it reads leaves the server nothing to do, within a second', async () => {
      await subject.fill(many)
      Hold.WORKERS_NUMBER = 2
      const transport = local(2)
      const job = start(transport, Hold, wide)
      await reading(subject, 1)
      job.cancel()
      let isOver = false
      const over = assert.rejects(job, { code: 'CANCELLED' }).finally(() => {
        isOver = true
      })
      await until('it is over, and nothing is under way', async () => isOver && (await subject.busyReaders()) === 0, 1500)
      await over
      List.WORKERS_NUMBER = 4
      assert.equal((await read(transport)).length, many)
    })

    test('a connection that is lost while it is read is an error of the source, and the next job reads again', async () => {
      await subject.fill(many)
      Hold.WORKERS_NUMBER = 2
      rmSync(heldFile(process.pid), { force: true })
      const transport = local(2)
      const job = start(transport, Hold, wide)
      const failed = assert.rejects(job, (error: PymarError) => error.code === 'SOURCE_FAILED' && error.cause instanceof Error)
      // Before the first row another connection would do.
      await until('a slot holds a block', () => existsSync(heldFile(process.pid)), STATEMENT_LIMIT_MS)
      assert.ok((await subject.cutReaders()) > 0)
      await failed
      List.WORKERS_NUMBER = 4
      assert.equal((await read(transport)).length, many)
    })

    test('a connection that was lost between two jobs is made again', async () => {
      await subject.fill(100)
      const transport = local(2)
      List.WORKERS_NUMBER = 4
      assert.equal((await read(transport)).length, 100)
      await subject.cutReaders()
      assert.equal((await read(transport)).length, 100)
    })
  })
}

/** Resolves when so many statements of slots, or more, are under way; for 0, when none is. */
function reading(subject: SourceSubject, least: number, limitMs = STATEMENT_LIMIT_MS): Promise<void> {
  const isSo = async () => {
    const busy = await subject.busyReaders()
    return least === 0 ? busy === 0 : busy >= least
  }
  return until(`${least} statements are under way`, isSo, limitMs)
}
