// needs: mongo
// What is sent: the script looks for boundaries, slots read ranges.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { DataSourceFactory } from '@pymar/core'
import { MongoDataSource } from '@pymar/mongo-source'
import { type Document, MongoClient, Timestamp } from 'mongodb'
import { BLOCK_DOCUMENTS, readCommand, sampleCommand } from '../../packages/mongo-source/dist/commands.js'
import { readSettings } from '../../packages/mongo-source/dist/settings.js'
import { inline } from '../conformance/transports.ts'
import { List } from '../jobs/lists.ts'
import { needs, serverUrl } from '../servers/needs.ts'
import { MongoRelay } from './mongo-relay.ts'

const CONF = { uri: 'mongodb://127.0.0.1', db: 'pymar_tests', collection: 'sent' }
const reading = (attributes: object = {}) => readSettings({ name: 'Sent', CONF, ...attributes }).reading

describe('commands', needs('mongo'), () => {
  let relay: MongoRelay
  let client: MongoClient
  before(async () => {
    relay = await MongoRelay.open(serverUrl('mongo'))
    client = await new MongoClient(serverUrl('mongo')).connect()
    await client
      .db(CONF.db)
      .collection<Document>(CONF.collection)
      .drop()
      .catch(() => {})
    const documents = Array.from({ length: 2500 }, (_, n) => ({ _id: n as never, n, filler: 'x' }))
    await client.db(CONF.db).collection(CONF.collection).insertMany(documents)
  })
  after(async () => {
    await client.db(CONF.db).collection(CONF.collection).drop()
    await client.close()
    relay.close()
  })

  test('of slots ask for ranges and fields, a block at a time, and skip nothing', async () => {
    class Sent extends MongoDataSource<Document> {
      static override CONF = { ...CONF, uri: relay.url }
      static override PROJECTION = { n: 1 }
      static override FILTER = { n: { $gte: 100 } }
    }
    List.WORKERS_NUMBER = 2
    relay.sent.length = 0
    assert.equal((await inline.map(List, Sent)).length, 2400)
    const of = (app: string, name: string) =>
      relay.sent.filter((sent) => sent.app === app && name in sent.command).map(({ command }) => command)
    const reads = of('pymar slot', 'find')
    assert.equal(reads.length, 2)
    for (const read of reads) {
      assert.deepEqual(read['projection'], { n: 1 })
      assert.equal(read['skip'], undefined)
      assert.equal(read['batchSize'], BLOCK_DOCUMENTS)
      assert.ok(JSON.stringify(read).includes('1300'), 'the boundary')
    }
    assert.ok(of('pymar slot', 'getMore').length >= 2)
    for (const more of of('pymar slot', 'getMore')) assert.equal(more['batchSize'], BLOCK_DOCUMENTS)
    // The only boundary there is: the document at the middle.
    assert.equal(of('pymar job', 'find').filter(({ skip }) => skip === 1200).length, 1)
  })

  test('that are lost with their connection are sent again, as long as nobody has seen a document', async () => {
    class Sent extends MongoDataSource<Document> {
      static override CONF = { ...CONF, uri: relay.url }
      static override PROJECTION = { _id: 0, n: 1 }
    }
    List.WORKERS_NUMBER = 1
    for (const [lost, command] of [
      [1, 'find'],
      [2, 'find'],
      [3, 'find'],
      [1, 'getMore'],
    ] as const) {
      let left: number = lost
      relay.breaksAt = (sent) => sent.app === 'pymar slot' && command in sent.command && left-- > 0
      const job = inline.map(List, Sent)
      if (command === 'find' && lost < 3) assert.equal((await job).length, 2500)
      else await assert.rejects(job, { code: 'SOURCE_FAILED', message: /Cannot read Sent: .*(closed|reset)/ })
    }
    relay.breaksAt = () => false
  })

  test('of jobs that are over leave no connection behind for longer than maxIdleTimeMS', async () => {
    class Sent extends MongoDataSource<Document> {
      static override CONF = { ...CONF, uri: `${relay.url}/?maxIdleTimeMS=200&appName=idle` }
      static override PROJECTION = { _id: 0, n: 1 }
    }
    await inline.map(List, Sent)
    await inline.map(List, Sent)
    assert.ok(relay.connections('idle') > 0)
    for (const latest = performance.now() + 3000; relay.connections('idle') > 0; ) {
      assert.ok(performance.now() < latest, `${relay.connections('idle')} are left`)
      await new Promise((later) => setTimeout(later, 20))
    }
    assert.equal((await inline.map(List, Sent)).length, 2500)
  })

  test('of a plan that finds fewer documents than it has counted make fewer partitions', async () => {
    const documents = client.db(CONF.db).collection<Document>('shrinking')
    class Shrinking extends MongoDataSource<Document> {
      static override CONF = { ...CONF, collection: 'shrinking', uri: relay.url }
      static override PROJECTION = { _id: 0 }
      // Not as of one time.
      static override READ = { concern: 'local' }
    }
    List.WORKERS_NUMBER = 4
    for (const [offset, limit, left, expected] of [
      [0, 100, 60, 60],
      [0, 90, 60, 60],
      [0, 90, 0, 0],
      [50, 40, 55, 5],
      [50, 40, 30, 0],
    ] as const) {
      await documents.deleteMany({})
      await documents.insertMany(Array.from({ length: 100 }, (_, n) => ({ _id: n as never, n })))
      let isFirst = true
      relay.beforeIt = ({ app, command }) => {
        // The first boundary is asked for once documents are counted.
        if (app !== 'pymar job' || !(command['skip'] > 1) || !isFirst) return undefined
        isFirst = false
        return documents.deleteMany({ n: { $gte: left } }).then(() => {})
      }
      const read = await inline.map(List, new DataSourceFactory(Shrinking, { offset, limit }))
      assert.deepEqual(
        read,
        Array.from({ length: expected }, (_, n) => ({ n: offset + n })),
      )
      assert.ok(!isFirst)
    }
    relay.beforeIt = () => undefined
    await documents.drop()
  })

  test('of all partitions read as of one time, where there is one', () => {
    const at = new Timestamp({ t: 5, i: 1 })
    const readConcern = { level: 'snapshot', atClusterTime: at }
    assert.deepEqual(readCommand(reading(), { at }, {})['readConcern'], readConcern)
    assert.deepEqual(readCommand(reading({ PIPELINE: [{ $match: {} }] }), { at }, {})['readConcern'], readConcern)
    assert.deepEqual(readCommand(reading({ READ: { concern: 'majority' } }), {}, {})['readConcern'], { level: 'majority' })
  })

  test('keep to an index by its bounds, and else to ranges of each bracket of types', () => {
    const bounds = { from: [5], to: ['a'] }
    const byIndex = readCommand(reading({ FILTER: { n: 1 } }), { index: '_id_' }, bounds)
    assert.deepEqual(byIndex['filter'], { n: 1 })
    assert.deepEqual([byIndex['hint'], byIndex['min'], byIndex['max']], ['_id_', new Map([['_id', 5]]), new Map([['_id', 'a']])])
    assert.deepEqual(readCommand(reading(), {}, { from: [5], to: [9] })['filter'], { _id: { $gte: 5, $lt: 9 } })
    const others = ['string', 'object', 'array', 'binData', 'objectId', 'bool', 'date', 'timestamp', 'regex']
    const behindFive = { $or: [{ _id: { $gte: 5 } }, { _id: { $type: others } }] }
    assert.deepEqual(readCommand(reading(), { commonTypes: true }, { from: [5] })['filter'], behindFive)
    // A pipeline takes no bounds of an index.
    const [match] = readCommand(reading({ PIPELINE: [{ $match: {} }] }), { index: '_id_', commonTypes: true }, { from: [5] })[
      'pipeline'
    ] as Document[]
    assert.deepEqual(match, { $match: behindFive })
  })

  test('sample before they filter, which is what the server is quick at', () => {
    const { pipeline } = sampleCommand(reading({ FILTER: { n: 1 }, SORT: { n: -1 } }), 800) as { pipeline: Document[] }
    assert.deepEqual(pipeline[0], { $sample: { size: 800 } })
    assert.deepEqual(pipeline[1], { $match: { n: 1 } })
    assert.deepEqual(pipeline.at(-1), {
      $sort: new Map([
        ['n', -1],
        ['_id', 1],
      ]),
    })
  })
})
