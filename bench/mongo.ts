import type { Plan, PlanContext } from '@pymar/core'
import type { MongoDataSource } from '@pymar/mongo-source'
import { type Collection, type Document, MongoClient } from 'mongodb'
import { interleave, median, ratio } from './measure.ts'
import { Amounts, Articles, FewArticles, Memory, sumOf } from './mongo/job.mjs'
import { peakMemory } from './peak-memory.ts'
import { perSecond, type Row } from './table.ts'

/** 0.9 of the rate of a loop by hand, as times. */
const TARGET = 1 / 0.9
/** Servers that do not know ranges read everything for each of them. */
const LARGE = { mongod: 500_000, other: 50_000 }
const SMALL = 1000
const PARTITIONS = 8
const BATCH = 1000
const ROUNDS = { warmups: 1, measured: 9 }
const QUICK = { warmups: 1, measured: 3 }

/** Documents of MongoDB into slots, beside a loop by hand. */
export async function mongo(quick: boolean): Promise<Row[]> {
  const url = process.env['PYMAR_TEST_MONGO']
  if (!url) return [{ what: 'collections of MongoDB: no server here', value: 'not run' }]
  const client = await new MongoClient(url).connect()
  const db = client.db('pymar_bench')
  try {
    const isMongod = (await client.db('admin').command({ serverStatus: 1 }))['process'] === 'mongod'
    const large = LARGE[isMongod ? 'mongod' : 'other']
    await fill(db.collection('large'), large)
    await fill(db.collection('small'), SMALL)
    const server = isMongod ? 'mongod' : 'FerretDB on SQLite'
    return [...(await rates(db.collection('large'), large, server, quick)), ...(await memory(large))]
  } finally {
    await db.dropDatabase()
    await client.close()
  }
}

async function fill(collection: Collection, count: number) {
  await collection.drop().catch(() => {})
  for (let from = 0; from < count; from += 10_000) {
    const documents = Array.from({ length: Math.min(10_000, count - from) }, (_, i) => documentOf(from + i))
    await collection.insertMany(documents as never)
  }
}

const documentOf = (i: number) => ({ _id: i, amount: i % 1000, ratio: i / 3, customer: `customer ${i % 5000}`, filler: 'x'.repeat(100) })

async function rates(collection: Collection, count: number, server: string, quick: boolean): Promise<Row[]> {
  const producer = new Amounts({ slots: 1 })
  const plan = await Articles.partitions(PARTITIONS, context)
  const expected = (count / 1000) * ((999 * 1000) / 2)
  const checked = async (sum: Promise<number>) => {
    if ((await sum) !== expected) throw new Error(`The sum is ${await sum}, not ${expected}`)
  }
  const [hand = [], read = [], whole = []] = await interleave(
    [
      { name: 'by hand', run: () => checked(byHand(collection, count)) },
      { name: 'partitions', run: () => checked(readAll(plan)) },
      { name: 'pymar', run: () => checked(producer.map(Articles)) },
    ],
    quick ? QUICK : ROUNDS,
  )
  await producer.close()
  const rate = (times: readonly number[]) => perSecond((count / median(times)) * 1000)
  return [
    { what: `documents of ${server}, ${count}, 8 ranges: a loop of the driver by hand`, value: rate(hand) },
    { what: 'MongoDataSource, the same ranges', value: rate(read), ratio: ratio(read, hand), target: TARGET },
    { what: 'a whole job, 1 slot, with its plan', value: rate(whole), ratio: ratio(whole, hand) },
  ]
}

/** As somebody would who uses the driver, and knows the ranges. */
async function byHand(collection: Collection<Document>, count: number): Promise<number> {
  let sum = 0
  for (let i = 0; i < PARTITIONS; i++) {
    const range = { $gte: (count / PARTITIONS) * i, $lt: (count / PARTITIONS) * (i + 1) }
    const cursor = collection.find({ _id: range as never }, { projection: { amount: 1, customer: 1 }, batchSize: BATCH }).sort({ _id: 1 })
    for await (const { amount } of cursor) sum += amount
  }
  return sum
}

const context: PlanContext = { params: undefined, length: () => Promise.resolve(0), signal: new AbortController().signal }

async function readAll({ partitions, shared }: Plan): Promise<number> {
  let sum = 0
  for (const { offset, limit, hint } of partitions) {
    const slice: MongoDataSource<Document> = new Articles(offset, limit)
    Object.defineProperties(slice, { hint: { value: hint }, shared: { value: shared } })
    for await (const block of slice.blocks(context.signal)) sum += sumOf(block)
  }
  return sum
}

/** As many documents are read in all from either. */
async function memory(large: number): Promise<Row[]> {
  const times = large / SMALL
  return [
    await peakMemory(`${SMALL} documents, ${times} times`, new Memory({ slots: 1 }), FewArticles, times),
    await peakMemory(`${large} documents`, new Memory({ slots: 1 }), Articles, 1),
  ]
}
