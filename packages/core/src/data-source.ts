import { isIterable } from './checks.ts'

/** One slice of a source: what a task names and a slot loads. */
export interface Partition {
  /** Its place among the partitions of its job, from 0. */
  readonly index: number
  /** Its first item, from 0; with a `hint`, in the source's own unit. Integer from 0 to 2^53 - 1. */
  readonly offset: number
  /** How many items it has; with a `hint`, in the source's own unit. Integer from 0 to 2^53 - 1. */
  readonly limit: number
  /** Small data from the source's own {@link Plan}, such as the boundaries of a key range. */
  readonly hint?: unknown
}

/** What `mapFn` may know about where it runs: its second parameter. */
export interface PartitionContext<Source = unknown> {
  /** The slice: the instance of the source class, or the items where the data was in memory. */
  readonly source: Source
  readonly partition: Partition
  /** Id of the job. */
  readonly job: string
  /** Which attempt at the partition this is, from 1; with `job` and `partition.index` it makes side effects idempotent. */
  readonly attempt: number
  /** Aborted when the job is cancelled, fails or times out. A slot that does not end by itself is killed 500 ms later. */
  readonly signal: AbortSignal
}

/** What {@link DataSource.partitions} is told about the job. */
export interface PlanContext {
  readonly params: unknown
  /** The range that a {@link DataSourceFactory} asked for. */
  readonly offset?: number
  readonly limit?: number
  /** Calls `fullLength`: only for plans that need it. */
  length(): Promise<number>
  /** Aborted when the job is cancelled or times out. */
  readonly signal: AbortSignal
}

/** The partitions of a job, possibly more or fewer than asked for, and how to close what they rest on. */
export interface Plan {
  /** Numbered by `index` from 0, in the order in which their partials are reduced. */
  readonly partitions: readonly Partition[]
  /** A plain value that every slice sees as `this.shared`, such as the name of a snapshot. It travels once per worker, not with each partition. */
  readonly shared?: unknown
  /** Rejects when what the partitions rest on is lost: the job fails with that error. */
  readonly lost?: Promise<never>
  /**
   * Whether a process that is started again can read the same partitions: then the job may have a checkpoint. Default: true for a plan with neither
   * `close` nor `lost`.
   */
  readonly resumable?: boolean
  /** Called once when the job ends, however it ends. */
  close?(): Promise<void> | void
}

const SOURCE = Symbol.for('@pymar/core/source')
const FACTORY = Symbol.for('@pymar/core/factory')

/**
 * Items `[offset, offset + limit)` of a data set that every slot can load by itself.
 *
 * A subclass says how many items there are (`fullLength`) and yields those of its own range, one at a time, from
 * `[Symbol.iterator]` or, where it must wait for them, from `[Symbol.asyncIterator]`. What waits is gathered into blocks of
 * 4,096 items, and `mapFn` and `reduceFn` are applied per block. {@link BlockSource} is for data that comes in blocks.
 *
 * The class must be exported from the job file, the module that slots load. An instance is made per partition, by
 * `new Source(offset, limit, params)`, where the partition is computed.
 *
 * @typeParam Item What the iterator yields.
 * @typeParam Params The plain value that a {@link DataSourceFactory} gives to every slice.
 *
 * @example
 * ```ts
 * import { DataSource } from '@pymar/core'
 *
 * export class Squares extends DataSource<number> {
 *   static override fullLength() {
 *     return 1000
 *   }
 *   *[Symbol.iterator]() {
 *     for (let i = this.offset; i < this.offset + this.limit; i++) yield i * i
 *   }
 * }
 * ```
 */
export abstract class DataSource<Item, Params = undefined> {
  /** The first item of this slice, from 0. */
  readonly offset: number
  /** How many items this slice has. */
  readonly limit: number
  /** What the {@link DataSourceFactory} was given, as a structured clone. */
  readonly params: Params
  /** The `hint` of this slice's partition, where the source's own {@link Plan} gave one. Set after construction. */
  readonly hint: unknown = undefined
  /** What all slices of the source's own {@link Plan} share. Set after construction. */
  readonly shared: unknown = undefined
  /** There for inference of item types only; it is never set. */
  declare protected readonly item: Item

  constructor(offset = 0, limit = 0, params?: Params) {
    this.offset = offset
    this.limit = limit
    this.params = params as Params
  }

  /**
   * How many items there are in all. Called once per job, in the process that starts it.
   *
   * @param params What the {@link DataSourceFactory} was given.
   * @returns An integer from 0 to 2^53 - 1, or a promise of one.
   */
  static fullLength(_params?: any): number | Promise<number> {
    throw new TypeError(`${this.name} has no static fullLength()`)
  }

  /**
   * Overrides the even split: the source's own plan. Called once per job, in the process that starts it, with the
   * number of partitions asked for.
   */
  static partitions?(count: number, context: PlanContext): Promise<Plan> | Plan
}
Object.defineProperty(DataSource, SOURCE, { value: true })

/**
 * Items `[offset, offset + limit)` in blocks: arrays or typed arrays. What databases and number crunching want.
 *
 * `mapFn` gets one block at a time and `reduceFn` its values; then `reduceFn` gets the blocks' results, in order. While a
 * block is computed, the next one has been asked for, unless they come synchronously: then a block has been used up when the
 * next one is asked for, and one array may be filled again for each. Where the blocks end must depend on the partition alone, or the
 * last bits of a floating point answer will differ from run to run.
 *
 * @example
 * ```ts
 * import { BlockSource } from '@pymar/core'
 *
 * export class Points extends BlockSource<Float64Array> {
 *   static override fullLength() {
 *     return 1_000_000
 *   }
 *   *blocks() {
 *     const end = this.offset + this.limit
 *     for (let at = this.offset; at < end; at += 8192) {
 *       yield Float64Array.from({ length: Math.min(8192, end - at) }, (_, i) => (at + i) / 1_000_000)
 *     }
 *   }
 * }
 * ```
 */
export abstract class BlockSource<Block extends Iterable<unknown>, Params = undefined> extends DataSource<
  Block extends Iterable<infer Item> ? Item : never,
  Params
> {
  /** Yields the blocks of this slice. `signal` is aborted when nobody wants them any more. */
  abstract blocks(signal: AbortSignal): Iterable<Block> | AsyncIterable<Block>
  /** There for inference of block types only; it is never set. */
  declare protected readonly block: Block
}

/** The class of such instances, with the static members of a source. */
export type ClassOf<Instance> = (abstract new (
  offset?: number,
  limit?: number,
  params?: any,
) => Instance) & {
  fullLength(params?: any): number | Promise<number>
  partitions?(count: number, context: PlanContext): Promise<Plan> | Plan
}

/** A class that extends {@link DataSource}, with its static members. */
export type SourceClass<Item = any, Params = any> = ClassOf<DataSource<Item, Params>>

/** Which part of a source class a job reads, and with which params. */
export interface DataSourceFactoryOptions<Params = unknown> {
  /** First item. Integer from 0. Default 0. */
  offset?: number
  /** How many items at most; the range ends where the source ends. Integer from 0. Default: all that follow. */
  limit?: number
  /** A plain value that `fullLength` gets and every slice sees as `this.params`. Default `undefined`. */
  params?: Params
}

/** The params that a source class declares; any, where it declares none. */
type ParamsFor<Params> = [Params] extends [undefined] ? unknown : NoInfer<Params>

/**
 * What a job reads: a source class with params and an explicit range, or data that is in memory.
 *
 * In-memory data is any iterable; each task carries its own slice of it, so nothing else needs to be exported than the
 * producer. Arrays and typed arrays are not copied: they must not change while a job runs.
 *
 * @throws {PymarError} `INVALID_ARGUMENT` from the job, if `data` is neither, or the range is no range.
 *
 * @example
 * ```ts
 * import { DataSource, DataSourceFactory } from '@pymar/core'
 *
 * export class Multiples extends DataSource<number, { of: number }> {
 *   static override fullLength() {
 *     return 1000
 *   }
 *   *[Symbol.iterator]() {
 *     for (let i = this.offset; i < this.offset + this.limit; i++) yield i * this.params.of
 *   }
 * }
 *
 * new DataSourceFactory(Multiples, { offset: 500, params: { of: 7 } })
 * new DataSourceFactory([1, 2, 3])
 * ```
 */
export class DataSourceFactory<Item = any, Params = any> {
  /** The class, or the items, as an array or a typed array. */
  readonly data: SourceClass<Item> | ArrayLike<Item>
  readonly options: Readonly<DataSourceFactoryOptions>
  /** There for inference of item types only; it is never set. */
  declare protected readonly item: Item

  constructor(data: SourceClass<Item, Params>, options?: DataSourceFactoryOptions<ParamsFor<Params>>)
  constructor(data: Iterable<Item>)
  constructor(data: SourceClass<Item, Params> | Iterable<Item>, options: DataSourceFactoryOptions = {}) {
    this.data = typeof data === 'function' ? data : itemsOf(data)
    this.options = options
    Object.defineProperty(this, FACTORY, { value: true })
  }
}

/** The items of an iterable as something with a length: itself if it is an array or a typed array. */
function itemsOf<Item>(data: Iterable<Item>): ArrayLike<Item> {
  if (isItems(data)) return data as ArrayLike<Item>
  // Anything that is not iterable stays as it is: the job says what is wrong with it.
  return isIterable(data) ? Array.from(data) : data
}

/** Whether a value is an array or a typed array: items that are there all at once, and can be sliced. */
export function isItems(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))
}

/** Whether a value is a class that extends {@link DataSource}, of whichever copy of this package. */
export function isSourceClass(value: unknown): value is SourceClass {
  return typeof value === 'function' && SOURCE in value
}

/** Whether a value is a {@link DataSourceFactory}, of whichever copy of this package. */
export function isFactory(value: unknown): value is DataSourceFactory {
  return typeof value === 'object' && value !== null && FACTORY in value
}
