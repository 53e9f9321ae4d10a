// needs: mongo
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { DataSourceFactory, type PlanContext } from '@pymar/core'
import { MongoDataSource } from '@pymar/mongo-source'
import { type Document, Long, MongoClient, ObjectId } from 'mongodb'
import { inline } from '../conformance/transports.ts'
import { List } from '../jobs/lists.ts'
import { needs, serverUrl } from '../servers/needs.ts'

const context: PlanContext = { params: undefined, length: () => Promise.resolve(0), signal: new AbortController().signal }

describe('a collection of MongoDB as a source', needs('mongo'), () => {
  let client: MongoClient
  const collection = () => client.db('pymar_tests').collection<Document>('mixed')
  const source = (attributes: object = {}) => {
    class Mixed extends MongoDataSource<Document> {}
    Object.assign(Mixed, { CONF: { uri: serverUrl('mongo'), db: 'pymar_tests', collection: 'mixed' }, ...attributes })
    return Mixed
  }
  before(async () => {
    client = await new MongoClient(serverUrl('mongo')).connect()
    await collection()
      .drop()
      .catch(() => {})
    const ids = [
      ...Array.from({ length: 40 }, (_, i) => i - 20),
      2.5,
      Long.fromNumber(7_000_000_000),
      ...'abcde',
      new ObjectId(),
      new ObjectId(),
      new Date(86_400_000),
      new Date(),
    ]
    const documents = ids.map((_id, i) => ({
      _id,
      n: i,
      half: i % 2 === 0 ? null : Math.floor(i / 4),
      ...(i % 3 === 0 ? {} : { maybe: i % 5 === 0 ? 'text' : i % 7 }),
    }))
    await collection().insertMany(documents.sort(() => 0.5 - ((documents.length * 7919) % 13) / 13) as never)
  })
  after(async () => {
    await collection()
      .drop()
      .catch(() => {})
    await client.close()
  })

  for (const [what, attributes, sort] of [
    ['_id, of many types', {}, { _id: 1 }],
    ['_id, descending', { SORT: { _id: -1 } }, { _id: -1 }],
    ['a field that is null, a number or not there', { SORT: { maybe: 1 } }, { maybe: 1, _id: 1 }],
    ['several fields, one of them descending', { SORT: { half: -1, n: 1 } }, { half: -1, n: 1 }],
  ] as const) {
    test(`partitions by ${what} hold each document once, in order, from any offset on`, async () => {
      const all = await collection()
        .find()
        .sort(sort as never)
        .toArray()
      const numbers = all.map(({ n }) => n)
      for (const count of [1, 2, 7, 60]) {
        List.WORKERS_NUMBER = count
        const read = (await inline.map(List, source({ ...attributes, PROJECTION: { n: 1, _id: 0 } }))) as Document[]
        assert.deepEqual(
          read.map(({ n }) => n),
          numbers,
          `${count} partitions`,
        )
      }
      List.WORKERS_NUMBER = 3
      const part = (await inline.map(
        List,
        new DataSourceFactory(source({ ...attributes, PROJECTION: { n: 1, _id: 0 } }), { offset: 11, limit: 25 }),
      )) as Document[]
      assert.deepEqual(
        part.map(({ n }) => n),
        numbers.slice(11, 36),
      )
    })
  }

  test('slots are sent ranges, and skip nothing', async () => {
    const monitored: Document[] = []
    const watching = new MongoClient(serverUrl('mongo'), { monitorCommands: true })
    await watching.close()
    const plan = await source().partitions(5, context)
    for (const { hint } of plan.partitions) monitored.push(hint as Document)
    assert.equal(monitored[0]?.['from'], undefined)
    assert.equal(monitored[4]?.['to'], undefined)
    for (const [i, { to }] of monitored.slice(0, 4).entries()) assert.equal(to, monitored[i + 1]?.['from'])
  })
})
