// needs: mongo
// Exact positions: whatever documents are sorted by, partitions hold each of them once, in order.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { inspect } from 'node:util'
import { DataSourceFactory } from '@pymar/core'
import { MongoDataSource } from '@pymar/mongo-source'
import fc from 'fast-check'
import { Binary, Decimal128, type Document, Long, MaxKey, MinKey, MongoClient, ObjectId, Timestamp } from 'mongodb'
import { inline } from '../conformance/transports.ts'
import { List } from '../jobs/lists.ts'
import { needs, serverUrl } from '../servers/needs.ts'

const RUNS = Number(process.env['PYMAR_ORDER_RUNS'] ?? 25)
const DB = 'pymar_tests_order'

const id = (n: number) => new ObjectId(n.toString(16).padStart(24, '0'))
/** Values of the types that every server has, and of those that a mongod has too. */
const COMMON = [-5, 0, 2.5, Long.fromNumber(7_000_000_000), '', 'a', 'B', 'ä', id(1), id(2), new Date(86_400_000), new Date(1e12), { x: 1 }]
const RARE = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Decimal128.fromString('2.75'),
  new MinKey(),
  new MaxKey(),
  new Timestamp({ t: 5, i: 1 }),
  true,
  false,
  { x: 1, y: 'a' },
]

describe('SORT', needs('mongo'), () => {
  let client: MongoClient
  let isMongod = false
  const collection = (name = 'sorted') => client.db(DB).collection<Document>(name)

  before(async () => {
    client = await new MongoClient(serverUrl('mongo')).connect()
    await client.db(DB).dropDatabase()
    await collection('known').insertOne({ known: 1 })
    isMongod = await client
      .db(DB)
      .command({ find: 'known', filter: { known: { $type: 'decimal' } } })
      .then(Boolean, () => false)
    const values = [...COMMON, ...(isMongod ? RARE : [])]
    const ids = [...values, ...(isMongod ? [null] : []), ...Array.from({ length: 60 }, (_, i) => i + 10)]
    const documents = ids.map((_id, n) => ({
      _id,
      n,
      ...(n % 7 !== 0 && { few: n % 3 === 0 ? null : [1, 'x', 2.5, id(7)][n % 4] }),
      in: { deep: n % 5 === 0 ? 'text' : n % 6 },
      any: values[(n * 5) % values.length],
    }))
    // A command, since the driver would give an id to the document whose id is null.
    const ordered = documents.toSorted((a, b) => ((a.n * 31) % 97) - ((b.n * 31) % 97))
    assert.equal((await client.db(DB).command({ insert: 'sorted', documents: ordered }))['n'], documents.length)
  })
  after(async () => {
    await client.db(DB).dropDatabase()
    await client.close()
  })

  const field = fc.constantFrom('_id', 'n', 'few', 'in', 'in.deep', 'any', 'missing', 'constructor', '_id.x')
  const way = fc.constantFrom(1 as const, -1 as const)
  const sorts = fc.uniqueArray(fc.tuple(field, way), { minLength: 1, maxLength: 3, selector: ([name]) => name })
  const filters = fc.constantFrom<object>({}, { n: { $lt: 50 } }, { few: { $exists: true } })
  const extent = fc.record({ offset: fc.nat(100), limit: fc.nat(100) }, { requiredKeys: [] })
  const counts = fc.integer({ min: 1, max: 12 })

  for (const [how, pipeline, makesIndex] of [
    ['by filters', [{ $match: {} }], false],
    ['as the server can', undefined, false],
    ['with an index', undefined, true],
    ['by filters, with an index', [{ $match: {} }], true],
  ] as const) {
    test(`documents come once and in order, from any offset on and up to any limit, ${how}`, async () => {
      const property = fc.asyncProperty(sorts, filters, extent, counts, async (sort, filter, { offset = 0, limit }, count) => {
        class Sorted extends MongoDataSource<Document> {
          static override CONF = { uri: serverUrl('mongo'), db: DB, collection: 'sorted' }
          static override SORT = Object.fromEntries(sort)
          static override FILTER = filter
          static override PROJECTION = { _id: 0, n: 1 }
          static override PIPELINE = pipeline as never
        }
        const at = sort.findIndex(([name]) => name === '_id')
        const full = at < 0 ? [...sort, ['_id', 1] as const] : sort.slice(0, at + 1)
        const index = makesIndex && full[0]?.[0] !== '_id' ? await collection().createIndex(new Map(full)) : undefined
        const expected = await collection().find(filter).sort(new Map(full)).toArray()
        List.WORKERS_NUMBER = count
        const source = new DataSourceFactory(Sorted, { offset, ...(limit !== undefined && { limit }) })
        const read = (await inline.map(List, source)) as Document[]
        if (index !== undefined) await collection().dropIndex(index)
        const numbers = (documents: readonly Document[]) => documents.map(({ n }) => n as number)
        assert.deepEqual(numbers(read), numbers(expected).slice(offset, limit === undefined ? undefined : offset + limit))
      })
      await fc.assert(property, { numRuns: RUNS })
    })
  }

  test('a field that holds arrays is refused, wherever on its path', async () => {
    for (const document of [{ in: [{ deep: 1 }, { deep: 2 }] }, { in: { deep: [1, 2] } }]) {
      await collection('arrays')
        .drop()
        .catch(() => {})
      await collection('arrays').insertMany([
        { _id: 1 as never, in: { deep: 1 } },
        { _id: 2 as never, ...document },
      ])
      class Arrays extends MongoDataSource<Document> {
        static override CONF = { uri: serverUrl('mongo'), db: DB, collection: 'arrays' }
        static override SORT = { 'in.deep': 1 }
        static override PROJECTION = { _id: 1 }
      }
      const message =
        /^Cannot plan the partitions of Arrays: the field "in\.deep" of SORT holds an array in the document with _id {"\$numberInt":"2"}/
      await assert.rejects(inline.map(List, Arrays), { code: 'SOURCE_FAILED', message })
      await collection('arrays').createIndex({ 'in.deep': 1, _id: 1 })
      await assert.rejects(inline.map(List, Arrays), { code: 'SOURCE_FAILED', message })
      class Others extends Arrays {
        static override FILTER = { _id: 1 }
      }
      assert.equal((await inline.map(List, Others)).length, 1)
    }
  })

  test('keys that JavaScript does not keep as they are, or that no filter compares to, are refused', async (t) => {
    if (!isMongod) return t.skip('this server has no such keys')
    for (const [ids, pipeline, message] of [
      [
        [
          1,
          2,
          new Map([
            ['b', 1],
            ['2', 1],
          ]),
        ],
        undefined,
        /a document with numbers for names/,
      ],
      [[1, 2, /a/], [{ $match: {} }], /a regular expression, which no filter compares to/],
    ] as const) {
      await collection('odd')
        .drop()
        .catch(() => {})
      await client.db(DB).command({ insert: 'odd', documents: ids.map((key, _id) => ({ _id, key })) })
      class Odd extends MongoDataSource<Document> {
        static override CONF = { uri: serverUrl('mongo'), db: DB, collection: 'odd' }
        static override SORT = { key: 1 }
        static override PIPELINE = pipeline as never
      }
      List.WORKERS_NUMBER = 3
      await assert.rejects(inline.map(List, Odd), { code: 'SOURCE_FAILED', message })
    }
  })

  test('a filter may hold whatever BSON has', async () => {
    const documents = [
      { _id: 1, name: 'Abc', data: new Binary(Buffer.from('ab')), day: new Date(5) },
      { _id: 2, name: 'abd', data: new Binary(Buffer.from('cd')), day: new Date(6) },
    ]
    await collection('filtered')
      .drop()
      .catch(() => {})
    await collection('filtered').insertMany(documents as never)
    for (const [filter, found] of [
      [{ data: Buffer.from('ab') }, [1]],
      [{ data: new Uint8Array(Buffer.from('cd')) }, [2]],
      [{ name: { $regex: '^A', $options: 'i' } }, [1, 2]],
      [{ name: { $regex: '^A', $options: 'i', $ne: 'abd' } }, [1]],
      [{ name: /D$/i }, [2]],
      [{ day: { $lte: new Date(5) } }, [1]],
      [{ 'day.x': 1 }, []],
    ] as const) {
      class Filtered extends MongoDataSource<{ _id: number }> {
        static override CONF = { uri: serverUrl('mongo'), db: DB, collection: 'filtered' }
        static override PROJECTION = { _id: 1 }
        static override FILTER = filter as object
      }
      List.WORKERS_NUMBER = 2
      assert.deepEqual(
        await inline.map(List, Filtered),
        found.map((_id) => ({ _id })),
        JSON.stringify(filter),
      )
    }
  })

  test('a large collection is cut up by a sample where the server takes one, and each document is read once', async (t) => {
    const total = 210_000
    const [first] = await collection('sorted')
      .aggregate([{ $sample: { size: 1 } }])
      .toArray()
      .catch(() => [])
    if (!first) return t.skip('this server takes no samples')
    const documents = Array.from({ length: total }, (_, _id) => ({ _id, even: _id % 2 === 0 }))
    for (let at = 0; at < total; at += 30_000) await collection('large').insertMany(documents.slice(at, at + 30_000) as never)
    class Large extends MongoDataSource<{ _id: number }> {
      static override CONF = { uri: serverUrl('mongo'), db: DB, collection: 'large' }
      static override PROJECTION = { _id: 1 }
    }
    const context = { params: undefined, length: () => Promise.resolve(0), signal: new AbortController().signal }
    const hints = (await Large.partitions(8, context)).partitions.map(({ hint }) => inspect(hint))
    const others = (await Large.partitions(8, context)).partitions.map(({ hint }) => inspect(hint))
    assert.notDeepEqual(hints, others)
    List.WORKERS_NUMBER = 8
    const ids = ((await inline.map(List, Large)) as { _id: number }[]).map(({ _id }) => _id)
    assert.deepEqual(
      ids,
      documents.map(({ _id }) => _id),
    )
    const sizes: number[] = []
    for await (const { value } of inline.map(List, Large).partials()) sizes.push((value as unknown[]).length)
    assert.equal(sizes.length, 8)
    assert.ok(Math.max(...sizes) < 3 * Math.min(...sizes), sizes.join(' '))
    await client.db(DB).createCollection('view', { viewOn: 'large', pipeline: [{ $project: { _id: { $gt: ['$_id', 3] } } }] })
    class Few extends Large {
      static override CONF = { ...Large.CONF, collection: 'view' }
    }
    assert.equal((await inline.map(List, Few)).length, total)
    class Even extends Large {
      static override FILTER = { even: true }
    }
    assert.equal((await inline.map(List, Even)).length, total / 2)
    const exact = (await Large.partitions(8, { ...context, offset: 0 })).partitions.map(({ limit }) => limit)
    assert.deepEqual([...new Set(exact)], [total / 8])
  })
})
