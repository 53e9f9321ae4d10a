// Who may read what. On a server of the tests' own.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { MongoDataSource } from '@pymar/mongo-source'
import { type Document, MongoClient } from 'mongodb'
import { inline } from '../conformance/transports.ts'
import { List } from '../jobs/lists.ts'
import type { StartedServer } from '../servers/server.ts'
import { noMongod, startGuarded } from './own-mongo.ts'

/** A source of this server. */
function of(uri: string) {
  return class Of extends MongoDataSource<Document> {
    static override CONF = { uri, db: 'pymar_tests', collection: 'moving' }
  }
}

describe('a server with logins', { skip: noMongod }, () => {
  let server: StartedServer
  const as = (login: string, options = '') => `mongodb://${login}@${server.url.slice('mongodb://'.length)}/${options}`
  before(async () => {
    server = await startGuarded('s3cret')
  })
  after(() => server?.stop())

  test('that refuses one is an error that says what to look at, without the password', async () => {
    class Guarded extends of(as('root:wr0ng')) {}
    await assert.rejects(inline.map(List, Guarded), (error: Error & { code: string }) => {
      assert.equal(error.code, 'SOURCE_FAILED')
      assert.match(error.message, /Authentication failed.*look at the user, the password and authSource in CONF$/)
      assert.doesNotMatch(error.message, /wr0ng/)
      return true
    })
  })

  test('lets those in who may read, and tells others what they lack', async () => {
    const root = await new MongoClient(as('root:s3cret')).connect()
    await root.db('pymar_tests').collection<Document>('moving').insertOne({ amount: 1 })
    await root.db('admin').command({ createUser: 'reader', pwd: 'pwd', roles: [{ role: 'read', db: 'pymar_tests' }] })
    await root.db('admin').command({ createUser: 'other', pwd: 'pwd', roles: [{ role: 'read', db: 'other' }] })
    const privileges = [{ resource: { db: 'pymar_tests', collection: 'moving' }, actions: ['find'] }]
    await root.db('admin').command({ createRole: 'finder', privileges, roles: [] })
    await root.db('admin').command({ createUser: 'finder', pwd: 'pwd', roles: ['finder'] })
    await root.close()
    class Reader extends of(as('reader:pwd')) {
      static override PROJECTION = { _id: 0 }
    }
    assert.deepEqual(await inline.map(List, Reader), [{ amount: 1 }])
    class Finder extends of(as('finder:pwd')) {
      static override PROJECTION = { _id: 0 }
    }
    assert.deepEqual(await inline.map(List, Finder), [{ amount: 1 }])
    class Other extends of(as('other:pwd')) {}
    await assert.rejects(inline.map(List, Other), {
      code: 'SOURCE_FAILED',
      message: /not authorized.*grant the user of CONF the role read/,
    })
    class Nobody extends of(server.url) {}
    await assert.rejects(inline.map(List, Nobody), { code: 'SOURCE_FAILED', message: /requires authentication/ })
  })
})
