// needs: mongo
// What is wrong is said before the first partition is sent.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { type Job, Producer, type PymarError } from '@pymar/core'
import { MongoDataSource } from '@pymar/mongo-source'
import { type Document, MongoClient, ObjectId } from 'mongodb'
import { inline } from '../conformance/transports.ts'
import { List } from '../jobs/lists.ts'
import { needs, serverUrl } from '../servers/needs.ts'

const CONF = { uri: process.env['PYMAR_TEST_MONGO'] ?? 'mongodb://127.0.0.1', db: 'pymar_tests', collection: 'errors' }

/** As an ObjectId of mongodb@6 looks. */
const OLD = { _bsontype: 'ObjectId', [Symbol.for('@@mdb.bson.version')]: 6 }
const RING: { and: unknown[] } = { and: [] }
RING.and.push(RING)

function read(attributes: object, producer: unknown = List): Job<unknown[]> {
  class Wrong extends MongoDataSource<Document> {}
  // Some of them have no setter.
  for (const [name, value] of Object.entries({ CONF, ...attributes })) Object.defineProperty(Wrong, name, { value })
  return inline.map(producer as typeof List, Wrong)
}

describe('a source of MongoDB', needs('mongo'), () => {
  let client: MongoClient
  before(async () => {
    client = await new MongoClient(serverUrl('mongo')).connect()
    await client
      .db(CONF.db)
      .collection(CONF.collection)
      .insertMany([{ n: 1 }, { n: 2 }])
  })
  after(async () => {
    await client.db(CONF.db).collection(CONF.collection).drop()
    await client.close()
  })

  for (const [what, attributes, message] of [
    [
      'no CONF',
      { CONF: undefined },
      /^Cannot read CONF of Wrong as it must be \{ uri, db, collection \} or \{ ip, port, db, collection \}: it is no such object$/,
    ],
    ['a CONF without a collection', { CONF: { uri: CONF.uri, db: 'x' } }, /: collection is missing, or no text$/],
    [
      'an option of the driver in CONF',
      { CONF: { ...CONF, tls: true } },
      /: there is no tls; what the driver is to be told, .* goes into the uri$/,
    ],
    ['a uri and an ip', { CONF: { ...CONF, ip: 'host' } }, /: there is a uri, and an ip or a port beside it$/],
    ['a host by another name', { CONF: { db: 'x', collection: 'y' } }, /: there is no uri, and no ip that is a host$/],
    [
      'a port that is none',
      { CONF: { ip: '127.0.0.1', port: 1e9, db: 'x', collection: 'y' } },
      /: its port is no integer from 1 to 65535$/,
    ],
    [
      'a password that is not encoded',
      { CONF: { ...CONF, uri: 'mongodb://me:s3@cr/et@host' } },
      /it has more than one @; of a user's name/,
    ],
    [
      'a value of another BSON',
      { FILTER: { n: OLD } },
      /^Cannot read FILTER\.n of Wrong .*another version of BSON \(6\); make it with mongodb@7$/,
    ],
    [
      'a uri that is none',
      { CONF: { ...CONF, uri: 'postgres://me:s3cret@host' } },
      /^Cannot read CONF of Wrong as its uri must be one of MongoDB: Invalid scheme/,
    ],
    ['an option that is none', { CONF: { ...CONF, uri: 'mongodb://me:s3cret@host/?nonsense=1' } }, /option nonsense is not supported/],
    ['a SORT that is none', { SORT: { n: 'up' } }, /^Cannot read SORT of Wrong as it must be an object of fields with 1 or -1$/],
    ['a FILTER that is none', { FILTER: 'n > 1' }, /^Cannot read FILTER of Wrong as it must be an object$/],
    [
      'a function in FILTER',
      { FILTER: { $where: () => true } },
      /^Cannot read FILTER\.\$where of Wrong as it must be data: it is function$/,
    ],
    [
      'nothing in FILTER',
      { FILTER: { n: { $gt: undefined } } },
      /^Cannot read FILTER\.n\.\$gt of Wrong as it must be data: it is undefined$/,
    ],
    [
      'flags that BSON does not have',
      { FILTER: { text: /a.b/s } },
      /^Cannot read FILTER\.text of Wrong .* it is \/a\.b\/s, of whose flags/,
    ],
    ['a FILTER in a ring', { FILTER: RING }, /^Cannot read FILTER\.and\.0 of Wrong as it must be data: it is part of itself$/],
    [
      'a PIPELINE that writes',
      { PIPELINE: [{ $match: {} }, { $out: 'x' }] },
      /^Cannot read PIPELINE of Wrong as it must be a list of stages, without \$out/,
    ],
    ['a READ that is none', { READ: { preference: 'any' } }, /^Cannot read READ of Wrong as it must be/],
    ['a READ with a slip in it', { READ: { prefrence: 'secondary' } }, /^Cannot read READ of Wrong as it must be/],
  ] as const) {
    test(`with ${what} is an invalid argument`, async () => {
      await assert.rejects(read(attributes), (error: PymarError) => {
        assert.equal(error.code, 'INVALID_ARGUMENT')
        assert.match(error.message, message)
        assert.doesNotMatch(`${error.message} ${(error as Error).cause}`, /s3|cr\/et/)
        return true
      })
    })
  }

  for (const [what, attributes, message] of [
    [
      'a FILTER that the server rejects',
      { FILTER: { n: { $bogus: 1 } } },
      /^Cannot plan the partitions of Wrong: .*\$bogus; look at FILTER, PROJECTION, SORT and PIPELINE$/,
    ],
    ['a PIPELINE that the server rejects', { PIPELINE: [{ $bogus: 1 }] }, /^Cannot plan the partitions of Wrong: .*\$bogus/],
    [
      'a server that is not there',
      { CONF: { ...CONF, uri: 'mongodb://me:s3cret@127.0.0.1:1/?serverSelectionTimeoutMS=300' } },
      /^Cannot connect to the server of Wrong: .*ECONNREFUSED/,
    ],
    [
      'an address of nobody',
      { CONF: { ...CONF, ip: '127.0.0.1', port: 1, uri: undefined } },
      /^Cannot connect to the server of Wrong: .*127\.0\.0\.1:1/,
    ],
  ] as const) {
    test(`with ${what} fails before anything is computed`, { timeout: 30_000 }, async () => {
      let computed = 0
      class Never extends Producer<unknown[]> {
        static mapFn(documents: Iterable<unknown>) {
          computed++
          return [[...documents]]
        }
        static reduceFn(lists: Iterable<unknown[]>) {
          return [...lists].flat()
        }
      }
      await assert.rejects(read(attributes, Never), (error: PymarError) => {
        assert.equal(error.code, 'SOURCE_FAILED')
        assert.match(error.message, message)
        assert.ok(error.cause instanceof Error)
        assert.doesNotMatch(error.message, /s3cret/)
        return true
      })
      assert.equal(computed, 0)
    })
  }

  test('with a slip in the name of an attribute says so', async () => {
    const warned = once(process, 'warning')
    class Slip extends MongoDataSource<Document> {
      static override CONF = CONF
      static FITLER = { n: 1 }
      static override PROJECTION = { _id: 0 }
    }
    assert.equal((await inline.map(List, Slip)).length, 2)
    assert.equal((await warned)[0].message, 'Slip has FITLER, which is no attribute; did you mean FILTER?')
  })

  test('over a collection that is not there is empty, and says so', async () => {
    const warnings: string[] = []
    const listen = ({ message }: Error) => warnings.push(message)
    process.on('warning', listen)
    assert.deepEqual(await read({ CONF: { ...CONF, collection: 'nowhere' } }), [])
    await new Promise((turn) => setImmediate(turn))
    process.off('warning', listen)
    assert.deepEqual(warnings, ['Wrong reads collection "nowhere" of database "pymar_tests", which is not there: it is empty'])
  })

  test('gives values of BSON, which are not sent back as what they are not', async () => {
    await assert.rejects(read({}), {
      code: 'UNSERIALIZABLE',
      message: /a value of BSON \(ObjectId\), whose type would be lost; send its text/,
    })
    class Ids extends Producer<string[]> {
      static mapFn(documents: Iterable<{ _id: unknown }>) {
        return Array.from(documents, ({ _id }) => [_id instanceof ObjectId ? _id.toHexString() : 'none'])
      }
      static reduceFn(lists: Iterable<string[]>) {
        return [...lists].flat()
      }
    }
    const ids = await read({}, Ids)
    assert.equal(ids.length, 2)
    for (const id of ids) assert.match(String(id), /^[0-9a-f]{24}$/)
  })

  test('may change between two jobs, in the script alone', async () => {
    class Changing extends MongoDataSource<Document> {
      static override CONF = CONF
      static override PROJECTION = { _id: 0 }
      static override FILTER: object = { n: 1 }
    }
    assert.deepEqual(await inline.map(List, Changing), [{ n: 1 }])
    Changing.FILTER = { n: { $in: [1, 2] } }
    assert.deepEqual(await inline.map(List, Changing), [{ n: 1 }, { n: 2 }])
    assert.equal(await Changing.fullLength(), 2)
  })
})
