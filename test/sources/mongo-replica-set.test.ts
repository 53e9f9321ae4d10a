// What only a replica set has: snapshots; and commands that take their time. On a server of the tests' own.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { PlanContext } from '@pymar/core'
import { MongoDataSource } from '@pymar/mongo-source'
import { BSON, type Collection, type Document, MongoClient } from 'mongodb'
import { inline } from '../conformance/transports.ts'
import { List } from '../jobs/lists.ts'
import { until } from '../processes.ts'
import type { StartedServer } from '../servers/server.ts'
import { noMongod, startReplicaSet } from './own-mongo.ts'

const RUNS = Number(process.env['PYMAR_SNAPSHOT_RUNS'] ?? 5)

interface Moving {
  readonly _id: number
  readonly amount: number
}

/** Sources of one server. */
function sources(uri: string) {
  abstract class Of extends MongoDataSource<Document> {
    static override CONF = { uri, db: 'pymar_tests', collection: 'moving' }
    /** What the slots of the latest job were told. */
    static shared: { readonly at?: Uint8Array; readonly index?: string } = {}
    static override async partitions(count: number, context: PlanContext) {
      const plan = await super.partitions(count, context)
      Of.shared = plan.shared as typeof Of.shared
      return plan
    }
  }
  return Of
}

describe('a replica set', { skip: noMongod }, () => {
  let server: StartedServer
  let client: MongoClient
  let moving: Collection<Moving>
  before(async () => {
    server = await startReplicaSet()
    client = await new MongoClient(server.url, { directConnection: true }).connect()
    moving = client.db('pymar_tests').collection<Moving>('moving')
    await moving.insertMany(Array.from({ length: 5000 }, (_, _id) => ({ _id, amount: 1 })))
  })
  after(async () => {
    await client?.close()
    await server?.stop()
  })

  test(`is read as of one time, while others update, insert and delete, in ${RUNS} seeded runs`, async () => {
    const stop = new AbortController()
    const writers = [1, 2].map((seed) => keepWriting(moving, seed, stop.signal))
    const Of = sources(server.url)
    class Moving extends Of {}
    try {
      for (let run = 0; run < RUNS; run++) {
        List.WORKERS_NUMBER = 16
        const read = await inline.map(List, Moving)
        const { at } = Of.shared
        assert.ok(at)
        assert.deepEqual(read, await asOf(client, at))
      }
    } finally {
      stop.abort()
      await Promise.all(writers)
    }
  })

  test('whose snapshot is too old fails, and says what to raise', async () => {
    const Of = sources(server.url)
    await client.db('admin').command({ setParameter: 1, minSnapshotHistoryWindowInSeconds: 0 })
    class Late extends Of {
      static override async partitions(count: number, context: PlanContext) {
        const plan = await super.partitions(count, context)
        const { at } = plan.shared as { readonly at: Uint8Array }
        // The server forgets as it writes.
        for (const latest = Date.now() + 30_000; await canRead(client, at); ) {
          assert.ok(Date.now() < latest, 'it still knows')
          await moving.updateOne({ _id: 0 }, { $inc: { amount: 1 } })
        }
        return plan
      }
    }
    await assert.rejects(inline.map(List, Late), { code: 'SOURCE_FAILED', message: /raise minSnapshotHistoryWindowInSeconds/ })
    await client.db('admin').command({ setParameter: 1, minSnapshotHistoryWindowInSeconds: 300 })
  })

  test('is read as READ says, and then not as of one time', async () => {
    const Of = sources(server.url)
    class Local extends Of {
      static override READ = { concern: 'local', preference: 'secondaryPreferred' }
    }
    assert.equal((await inline.map(List, Local)).length, await moving.countDocuments())
    assert.equal(Of.shared.at, undefined)
    class Nobody extends Of {
      static override CONF = { ...Of.CONF, uri: `${server.url}/?replicaSet=rs&serverSelectionTimeoutMS=300` }
      static override READ = { preference: 'secondary' }
    }
    await assert.rejects(inline.map(List, Nobody), { code: 'SOURCE_FAILED' })
  })

  test('ends within a second what it does for a job that is cancelled, in the script and in slots', async () => {
    const Of = sources(server.url)
    const slowly = { $expr: { $function: { body: 'function() { sleep(20); return true }', args: [], lang: 'js' } } }
    class SlowPlan extends Of {
      static override FILTER = slowly
    }
    class SlowRead extends Of {
      static override PIPELINE = [{ $match: slowly }]
    }
    for (const [source, app] of [
      [SlowPlan, 'pymar job'],
      [SlowRead, 'pymar slot'],
    ] as const) {
      List.WORKERS_NUMBER = 2
      const job = inline.map(List, source)
      const failed = assert.rejects(job, { code: 'CANCELLED' })
      await until('it reads', async () => (await running(client, app)) > 0, 10_000)
      job.cancel()
      await until('it has ended', async () => (await running(client, app)) === 0, 1000)
      await failed
    }
  })

  test('has no past of a capped collection, which is read all the same, at once', async () => {
    await client.db('pymar_tests').createCollection('capped', { capped: true, size: 1e6 })
    await client.db('pymar_tests').collection<Moving>('capped').insertOne({ _id: 1, amount: 1 })
    const Of = sources(server.url)
    class Capped extends Of {
      static override CONF = { ...Of.CONF, collection: 'capped' }
    }
    const started = performance.now()
    assert.deepEqual(await inline.map(List, Capped), [{ _id: 1, amount: 1 }])
    assert.ok(performance.now() - started < 5000)
  })

  test('sends large documents in smaller blocks', async () => {
    const Of = sources(server.url)
    await client
      .db('pymar_tests')
      .collection<Document>('bulky')
      .insertMany(Array.from({ length: 6 }, () => ({ filler: 'x'.repeat(7e6) })))
    const sizes: number[] = []
    class Bulky extends Of {
      static override CONF = { ...Of.CONF, collection: 'bulky' }
      static override PROJECTION = { _id: 0 }
      override async *blocks(signal: AbortSignal): AsyncGenerator<Document[]> {
        for await (const block of super.blocks(signal)) {
          sizes.push(block.length)
          yield block.map(() => ({}))
        }
      }
    }
    List.WORKERS_NUMBER = 1
    assert.equal((await inline.map(List, Bulky)).length, 6)
    assert.deepEqual(sizes, [2, 2, 2])
  })

  test('has nothing left to do for jobs that are over, nor for their plans', async () => {
    const Of = sources(server.url)
    class Many extends Of {
      static override PIPELINE = [{ $unionWith: 'moving' }]
    }
    const before = await openCursors(client)
    for (let i = 0; i < 3; i++) await inline.map(List, Many)
    assert.equal(await openCursors(client), before)
  })

  test('gives documents as bytes, and what a pipeline makes of them', async () => {
    const Of = sources(server.url)
    class Raw extends Of {
      static override RAW = true
    }
    class Grouped extends Of {
      static override PIPELINE = [{ $group: { _id: null, documents: { $sum: 1 } } }, { $project: { _id: 0 } }]
    }
    List.WORKERS_NUMBER = 4
    const [raw] = (await inline.map(List, Raw)) as unknown as Uint8Array[]
    assert.equal(BSON.deserialize(raw as Uint8Array)['_id'], (await moving.find().sort({ _id: 1 }).next())?._id)
    const grouped = await inline.map(List, Grouped)
    assert.equal(grouped.length, 4)
    const counted = (grouped as { documents: number }[]).reduce((sum, { documents }) => sum + documents, 0)
    assert.equal(counted, await moving.countDocuments())
  })
})

async function openCursors(client: MongoClient): Promise<number> {
  return (await client.db('admin').command({ serverStatus: 1 }))['metrics'].cursor.open.total
}

/** What one snapshot read finds. */
async function asOf(client: MongoClient, at: Uint8Array): Promise<Document[]> {
  const { value: time } = BSON.deserialize(at)
  const command = { find: 'moving', sort: { _id: 1 }, readConcern: { level: 'snapshot', atClusterTime: time } }
  return client.db('pymar_tests').runCursorCommand(command).toArray()
}

async function canRead(client: MongoClient, at: Uint8Array): Promise<boolean> {
  return asOf(client, at).then(
    () => true,
    () => false,
  )
}

/** Statements of clients of this name that the server is working on. */
async function running(client: MongoClient, app: string): Promise<number> {
  const ops = await client
    .db('admin')
    .aggregate([
      { $currentOp: {} },
      { $match: { appName: app, active: true, op: { $in: ['query', 'command', 'getmore'] }, 'command.hello': null } },
    ])
    .toArray()
  return ops.filter(({ command }) => command?.find ?? command?.aggregate ?? command?.getMore).length
}

async function keepWriting(moving: Collection<Moving>, seed: number, signal: AbortSignal): Promise<void> {
  let state = seed
  const next = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state % below
  }
  for (let turn = 0; !signal.aborted; turn++) {
    await moving.updateOne({ _id: next(5000) }, { $inc: { amount: 1 } })
    await moving.deleteOne({ _id: next(5000) })
    await moving.insertOne({ _id: 1e6 * seed + turn, amount: 1 })
  }
}
