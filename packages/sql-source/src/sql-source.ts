import { BlockSource, type Plan, type PlanContext } from '@pymar/core'
import { countSource, planSource } from './plan.ts'
import { readPartition } from './read.ts'
import { type Order, type Parser, readSettings } from './settings.ts'
import type { Shared } from './shared.ts'

/**
 * Rows of a PostgreSQL table, or of a query, read in parallel: each partition by a connection of the slot that computes it, all of them in the
 * snapshot that the script's process holds for the job.
 *
 * Without an order, partitions are ranges of the table's blocks: planned without reading the table, each page read once. With `ORDER_BY`, or an
 * offset and a limit of a `DataSourceFactory`, they are ranges of keys at the exact positions. Rows come in blocks of 4,096.
 *
 * @typeParam Row A value where one column is read, else a tuple of them; an object with `ROWS = 'object'`.
 * @throws {PymarError} From the job: `SOURCE_FAILED` with the driver's error as `cause` if the source cannot be read, `INVALID_ARGUMENT` if a class
 * attribute is none.
 *
 * @example
 * ```ts
 * import { Producer } from '@pymar/core'
 * import { SqlDataSource } from '@pymar/sql-source'
 *
 * export class Amounts extends SqlDataSource<number> {
 *   static override CONF = 'postgres://reader@127.0.0.1:5432/shop'
 *   static override TABLE = 'orders'
 *   static override COLUMNS = ['amount']
 *   static override WHERE = 'day >= $1'
 *   static override PARAMS = ['2026-01-01']
 * }
 *
 * export class Sum extends Producer<number> {
 *   static mapFn(amounts: Iterable<number>) {
 *     return amounts
 *   }
 *   static reduceFn(values: Iterable<number>) {
 *     let sum = 0
 *     for (const value of values) sum += value
 *     return sum
 *   }
 * }
 *
 * export const total = (): Promise<number> => Sum.map(Amounts)
 * ```
 */
export abstract class SqlDataSource<Row> extends BlockSource<Row[]> {
  /** A `postgres://` URL, or the options of a client of pg. Default: the environment variables of libpq. Each process reads its own: it never travels. */
  static CONF: string | object = {}
  /** `table`, `schema.table`, or both apart. Names are taken as they are, upper case and all. */
  static TABLE?: string | readonly [schema: string, table: string]
  /** One column gives bare values, several give tuples. Default `['*']`: all. */
  static COLUMNS: readonly string[] = ['*']
  /** A condition, in SQL. */
  static WHERE?: string
  /** The values of `$1`, ... in `WHERE` and `QUERY`: those that the script's process has when it starts the job. */
  static PARAMS?: readonly unknown[]
  /** How rows are sorted: within a partition, and the partitions. What that leaves open is sorted by the primary key, or by where rows lie, or by all they hold. */
  static ORDER_BY?: Order | readonly Order[]
  /** Instead of a table: any SELECT. Without `ORDER_BY` each partition computes all of it, and skips what is not its own. */
  static QUERY?: string
  /** `'object'`: rows as objects by column. Default: bare values or tuples. */
  static ROWS?: 'tuple' | 'object'
  /** Parsers of values, from PostgreSQL's text, by type name (`int8` or `bigint`), instead of the built-in ones. */
  static TYPES?: Readonly<Record<string, Parser>>

  /** How many rows there are now. */
  static override fullLength(): Promise<number> {
    return countSource(readSettings(this))
  }

  /** Takes a snapshot for the job, and cuts the rows up. */
  static override partitions(count: number, context: PlanContext): Promise<Plan> {
    return planSource(readSettings(this), count, context)
  }

  override blocks(signal: AbortSignal): AsyncIterable<Row[]> {
    const { limit, hint, shared } = this
    return readPartition(readSettings(this.constructor), shared as Shared, { limit, hint }, signal) as AsyncIterable<Row[]>
  }
}
