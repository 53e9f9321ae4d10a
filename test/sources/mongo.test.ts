// needs: mongo
import { type Document, MongoClient } from 'mongodb'
import { needs, serverUrl } from '../servers/needs.ts'
import { MongoRelay } from './mongo-relay.ts'
import { sourceSuite } from './suite.ts'

const options = needs('mongo')
/** Between the slots and the server: made before they are. */
const relay = options.skip ? undefined : await MongoRelay.open(serverUrl('mongo'))
if (relay) process.env['PYMAR_TEST_MONGO_RELAY'] = relay.url
const { Items, WideItems } = await import('../jobs/mongo.ts')

async function withItems(work: (client: MongoClient) => Promise<unknown>) {
  const client = await new MongoClient(serverUrl('mongo')).connect()
  await work(client)
  await client.close()
}

sourceSuite({
  name: 'a collection of MongoDB',
  options,
  module: new URL('../jobs/mongo.ts', import.meta.url),
  source: Items,
  wide: WideItems,
  // FerretDB goes through all of them for each range.
  many: 8000,
  fill: (count) =>
    withItems(async (client) => {
      const items = client.db('pymar_tests').collection<Document>('items')
      await items.drop().catch(() => {})
      // 7,919 is prime to all the counts that the suite asks for.
      const documents = Array.from({ length: count }, (_, i) => ({ _id: (i * 7919) % count, filler: 'x'.repeat(1000) }))
      if (count > 0) await items.insertMany(documents as never)
      else await client.db('pymar_tests').createCollection('items')
    }),
  remove: async () => {
    await withItems((client) => client.db('pymar_tests').dropDatabase())
    relay?.close()
  },
  cutReaders: async () => (await relay?.cut('pymar slot')) ?? 0,
  busyReaders: async () => relay?.openCursors('pymar slot') ?? 0,
})
