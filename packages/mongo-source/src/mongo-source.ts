import { BlockSource, type Plan, type PlanContext } from '@pymar/core'
import { countSource, planSource } from './plan.ts'
import { readPartition } from './read.ts'
import { readSettings, warnOfSlips } from './settings.ts'
import type { Range, Shared } from './shared.ts'

/**
 * Documents of a MongoDB collection, read in parallel and in a fixed order: each partition is a range of the sort key, whose boundaries the
 * script's process finds. On replica sets and sharded clusters all partitions read as of one time.
 *
 * Partitions begin at the exact positions; of collections with 200,000 documents or more, where no offset and no limit are asked for, at the keys of
 * a sample. Documents come in blocks of 1,000.
 *
 * @typeParam Doc A document, as it is projected; a `Uint8Array` with `RAW`.
 * @throws {PymarError} From the job: `SOURCE_FAILED` with the driver's error as `cause` if the source cannot be read, `INVALID_ARGUMENT` if a class
 * attribute is none.
 *
 * @example
 * ```ts
 * import { Producer } from '@pymar/core'
 * import { MongoDataSource } from '@pymar/mongo-source'
 *
 * export class Texts extends MongoDataSource<{ text: string }> {
 *   static override CONF = { uri: 'mongodb://127.0.0.1:27017', db: 'press', collection: 'articles' }
 *   static override FILTER = { year: { $gte: 2020 } }
 *   static override PROJECTION = { text: 1 }
 * }
 *
 * export class Words extends Producer<number> {
 *   static *mapFn(articles: Iterable<{ text: string }>) {
 *     for (const { text } of articles) yield text.split(' ').length
 *   }
 *   static reduceFn(counts: Iterable<number>) {
 *     let sum = 0
 *     for (const count of counts) sum += count
 *     return sum
 *   }
 * }
 *
 * export const words = (): Promise<number> => Words.map(Texts)
 * ```
 */
export abstract class MongoDataSource<Doc> extends BlockSource<Doc[]> {
  /** Where the collection is; `port` is 27017 by default. Each process connects as its own says: `uri`, `ip` and `port` never travel. */
  static CONF:
    | { readonly uri: string; readonly db: string; readonly collection: string }
    | { readonly ip: string; readonly port?: number; readonly db: string; readonly collection: string }
  /** Which documents: a query of MongoDB. Default: all. */
  static FILTER?: object
  /** Which of their fields. Default: all. */
  static PROJECTION?: object
  /** Fields with 1 or -1. Default `{ _id: 1 }`; `_id` breaks ties. */
  static SORT?: object
  /** Stages of an aggregation, over each partition's own range. */
  static PIPELINE?: readonly object[]
  /** `preference`: which members of a replica set are read. `concern`: other than `'snapshot'`, the partitions are not read as of one time. */
  static READ?: { readonly preference?: string; readonly concern?: string }
  /** Documents as bytes of BSON, not decoded. Default false. */
  static RAW?: boolean

  /** How many documents there are now. */
  static override fullLength(): Promise<number> {
    const { place, reading } = readSettings(this)
    return countSource(place, reading)
  }

  /** Finds the boundaries of partitions, and the time that they are read at where the server can. */
  static override partitions(count: number, context: PlanContext): Promise<Plan> {
    warnOfSlips(this)
    const { place, reading } = readSettings(this)
    return planSource(place, reading, count, context)
  }

  override blocks(signal: AbortSignal): AsyncIterable<Doc[]> {
    const { place } = readSettings(this.constructor)
    return readPartition(place, this.shared as Shared, this.hint as Range, signal) as AsyncIterable<Doc[]>
  }
}
