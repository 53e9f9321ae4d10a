// Sources over collections that the tests make.
import { MongoDataSource } from '@pymar/mongo-source'

export { Hold, List, SlowBlocks, SlowList } from './lists.ts'

/** Read when a job is started, and when a slot is. */
const CONF = () => ({
  uri: process.env['PYMAR_TEST_MONGO_RELAY'] ?? process.env['PYMAR_TEST_MONGO'] ?? 'mongodb://127.0.0.1',
  db: 'pymar_tests',
  collection: 'items',
})

interface Item {
  readonly _id: number
}

/** The suite's: documents with the ids 0, 1, 2, ..., as their ids. */
abstract class Ids<Doc extends Item> extends MongoDataSource<any> {
  override async *blocks(signal: AbortSignal): AsyncGenerator<any> {
    for await (const documents of super.blocks(signal) as AsyncIterable<Doc[]>) yield documents.map(({ _id }) => _id)
  }
}

export class Items extends Ids<Item> {
  static override PROJECTION = { _id: 1 }
  static override get CONF() {
    return CONF()
  }
}

/** With all that they hold. */
export class WideItems extends Ids<Item> {
  static override get CONF() {
    return CONF()
  }
}
