import { type Check, check, checkOptions, POSITIVE, TEXT } from './checks.ts'
import type { BlockSource, ClassOf, DataSource, DataSourceFactory, SourceClass } from './data-source.ts'
import { messageOf, notRunnable, PymarError } from './errors.ts'
import { readGiven } from './job/given.ts'
import type { ProducerCode } from './job/run.ts'
import { lazy } from './lazy.ts'
import { type Job, type JobControl, startJob } from './ledger/job.ts'
import type { JobRequest } from './ledger/job-run.ts'
import { MAP_OPTIONS, type MapOptions, PRODUCER_OPTIONS, type ProducerOptions } from './options.ts'
import { refusalInSlot } from './slot/in-slot.ts'
import type { Opened } from './transport/port.ts'

/** What a subclass of {@link Producer} must have for its static `map()`. */
export interface ProducerClass {
  readonly name: string
  readonly WORKERS_NUMBER: number
  new (options?: ProducerOptions): Producer<any>
  mapFn(items: any, context: any): Mapped | Promise<Mapped>
  reduceFn(values: any): any
}

type Mapped = Iterable<unknown> | AsyncIterable<unknown>

/** What `reduceFn` takes; anything, where it takes no parameter. */
type Values<P extends ProducerClass> = undefined extends Parameters<P['reduceFn']>[0] ? any : Parameters<P['reduceFn']>[0]
/** What `mapFn` gives to `reduceFn`: what comes asynchronously is gathered into arrays. */
type MappedBy<P extends ProducerClass> =
  Awaited<ReturnType<P['mapFn']>> extends infer All
    ? All extends Iterable<unknown>
      ? All
      : All extends AsyncIterable<infer Value>
        ? Value[]
        : never
    : never

/** A producer whose `reduceFn` takes what `mapFn` gives, and what it returns itself; else what is wrong with it. */
type Associative<P extends ProducerClass> =
  MappedBy<P> extends Values<P>
    ? Awaited<ReturnType<P['reduceFn']>>[] extends Values<P>
      ? P
      : { 'reduceFn must take what it returns': Awaited<ReturnType<P['reduceFn']>>[] }
    : { 'reduceFn must take what mapFn gives': MappedBy<P> }

/** What `mapFn` takes; anything, where it takes no parameter. */
type Input<P extends ProducerClass> = undefined extends Parameters<P['mapFn']>[0] ? any : Parameters<P['mapFn']>[0]
type ItemOf<Items> = Items extends Iterable<infer Item> ? Item : any

/**
 * What the static `map()` of a producer takes: sources of the items that its `mapFn` takes, and data in memory.
 *
 * A `mapFn` that takes any iterable takes every source. One that takes more takes what has that: its own kind of source; for
 * a typed array the blocks of such a {@link BlockSource}; for an array also sources that are read asynchronously, whose
 * items are gathered into arrays.
 */
export type SourceFor<P extends ProducerClass> =
  | InMemoryFor<Input<P>>
  | DataSourceFactory<ItemOf<Input<P>>>
  | (Iterable<ItemOf<Input<P>>> extends Input<P>
      ? SourceClass<ItemOf<Input<P>>>
      : ClassOf<Input<P>> | ClassOf<BlockSource<Input<P> & Iterable<unknown>, any>> | AsyncSourceFor<Input<P>>)

type InMemoryFor<Items> = Items extends ArrayBufferView ? Items : Iterable<ItemOf<Items>>
type AsyncSourceFor<Items> = ItemOf<Items>[] extends Items ? ClassOf<DataSource<ItemOf<Items>, any> & AsyncIterable<ItemOf<Items>>> : never

/**
 * A calculation: a subclass says how items are mapped (`static mapFn`) and how values are reduced (`static reduceFn`).
 *
 * `mapFn(items, context)` gets one partition's slice, or one block of it, and returns an iterable of mapped values. `reduceFn`
 * gets an iterable of values and returns one. It is applied where a partition is computed, then to the partials, so it must
 * be associative and accept what it returns; it need not be commutative. Both may be async. Neither is ever called in the
 * process that starts the job: the class must be exported from the job file, which slots import.
 *
 * @typeParam Result What `reduceFn` returns.
 *
 * @example
 * ```ts
 * import { isMain, Producer } from '@pymar/core'
 *
 * export class SumOfSquares extends Producer<number> {
 *   static override WORKERS_NUMBER = 4
 *   static *mapFn(xs: Iterable<number>) {
 *     for (const x of xs) yield x * x
 *   }
 *   static reduceFn(values: Iterable<number>) {
 *     let sum = 0
 *     for (const value of values) sum += value
 *     return sum
 *   }
 * }
 *
 * if (isMain(import.meta)) console.log(await SumOfSquares.map([1, 2, 3]))
 * ```
 */
export abstract class Producer<Result = unknown> {
  /** Partitions of a job. Integer from 1; there are fewer where there are fewer items. Default 10. */
  static WORKERS_NUMBER = 10
  /** Takes the place of the job file's own text in what says that a worker has the same code: equal versions are taken to be equal code. */
  static VERSION?: string

  readonly #options: ProducerOptions
  /** Cancels the jobs of this producer when it is closed. */
  readonly #closing = new AbortController()
  #opened: Promise<Opened> | undefined

  constructor(options: ProducerOptions = {}) {
    this.#options = options
  }

  /**
   * Starts a job. Several may run at once; slots stay warm from one to the next.
   *
   * @param source A source class, a {@link DataSourceFactory}, or any iterable of items.
   * @returns The result, when awaited. All errors reject; nothing is thrown.
   * @throws {PymarError} `INVALID_ARGUMENT`, `JOB_FILE`, `USER_ERROR`, `SOURCE_FAILED`, `UNSERIALIZABLE`, `WORKER_LOST`, `TIMEOUT`,
   * `CANCELLED`: see {@link ErrorCode}.
   *
   * @example
   * ```ts
   * import { Producer } from '@pymar/core'
   *
   * export class Longest extends Producer<number> {
   *   static mapFn(words: Iterable<string>) {
   *     return Array.from(words, (word) => word.length)
   *   }
   *   static reduceFn(lengths: Iterable<number>) {
   *     return Math.max(0, ...lengths)
   *   }
   * }
   *
   * const producer = new Longest({ slots: 2 })
   * console.log(await producer.map(['a', 'list', 'of', 'words'], { timeoutMs: 10_000 }))
   * await producer.close()
   * ```
   */
  map(source: SourceClass | DataSourceFactory | Iterable<unknown>, options: MapOptions = {}): Job<Result> {
    return startJob(Producer.prototype.map, async (control) => {
      if (!Producer.#isOne(this)) throw detached()
      const code = this.constructor as typeof Producer & ProducerCode
      const { signal } = this.#closing
      if (signal.aborted)
        throw new PymarError('INVALID_ARGUMENT', `Cannot start a job of ${code.name}: this producer is closed; make a new one`)
      const ofJob = readOptions('map()', options, MAP_OPTIONS)
      const { module } = readOptions(`new ${code.name}()`, this.#options, PRODUCER_OPTIONS)
      const request = readRequest(code, source, ofJob, module)
      return run(control, request, await this.#open(), signal)
    })
  }

  /** A subclass's prototype looks like one, but is none. */
  static #isOne(value: unknown): value is Producer<unknown> {
    return typeof value === 'object' && value !== null && #closing in value
  }

  #open(): Promise<Opened> {
    if (this.#opened) return this.#opened
    const opening = open(this.#options)
    this.#opened = opening
    // One that cannot be opened may be there for the next job.
    opening.catch(() => {
      this.#opened = undefined
    })
    return opening
  }

  /**
   * Starts a job on a producer of its own: `Sum.map(source)` is all that a script needs. The result's type is what `reduceFn`
   * returns, and a source of other items than `mapFn` takes is refused by the type checker.
   */
  static map<P extends ProducerClass>(
    this: P & Associative<P>,
    source: SourceFor<P>,
    options: MapOptions & ProducerOptions = {},
  ): Job<Awaited<ReturnType<P['reduceFn']>>> {
    return startJob(Producer.map, async (control) => {
      if (!isProducerClass(this)) throw detached()
      const all = readOptions('map()', options, { ...MAP_OPTIONS, ...PRODUCER_OPTIONS })
      const request = readRequest(this, source, all, all.module)
      const opened = await open(all)
      try {
        return await run(control, request, opened)
      } finally {
        opened.transport.release()
      }
    })
  }

  /** Cancels what still runs and ends the slots, unless other producers use them. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('its producer was closed'))
    const opened = await this.#opened?.catch(() => undefined)
    await opened?.transport.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

function isProducerClass(value: unknown): boolean {
  return typeof value === 'function' && value.prototype instanceof Producer
}

function detached(): PymarError {
  return new PymarError('INVALID_ARGUMENT', 'Cannot call map() apart from its producer: call it as producer.map(source) or Sum.map(source)')
}

/** What only a process that starts jobs needs is loaded when the first one starts: slots import this file too. */
const transports = lazy(() => import('./transport/open.ts'))
const runs = lazy(() => import('./ledger/job-run.ts'))
const locator = lazy(() => import('./job/locate.ts'))

async function open(options: ProducerOptions): Promise<Opened> {
  const { openTransport } = await transports().catch(notRunnable)
  return openTransport(options)
}

async function run(control: JobControl, request: JobRequest, opened: Opened, closing?: AbortSignal): Promise<unknown> {
  const { runJob } = await runs().catch(notRunnable)
  return runJob(control, request, { ...opened, ...(closing && { closing }) })
}

/** Checks everything that a job is made of before it starts. */
function readRequest(producer: ProducerCode, source: unknown, options: MapOptions, module: string | URL | undefined): JobRequest {
  const { name } = producer
  const refusal = refusalInSlot(name)
  if (refusal) throw refusal
  const refuse = (found: string) => new PymarError('INVALID_ARGUMENT', `Cannot start a job of ${name || 'a producer'}: ${found}`)
  if (typeof name !== 'string' || name === '') throw refuse('its class has no name; slots find it by that')
  for (const method of ['mapFn', 'reduceFn'] as const) {
    if (typeof producer[method] === 'function') continue
    throw refuse(method in producer.prototype ? `its ${method}() is not static; write static ${method}()` : `it has no static ${method}()`)
  }
  const count = readUser(`WORKERS_NUMBER of ${name}`, () => producer.WORKERS_NUMBER)
  check(`WORKERS_NUMBER of ${name}`, count, POSITIVE)
  const version = readUser(`VERSION of ${name}`, () => producer.VERSION)
  if (version !== undefined) check(`VERSION of ${name}`, version, TEXT)
  const given = readUser('the items of a source', () => readGiven(source))
  if (given.kind === 'class' && (typeof given.source.name !== 'string' || given.source.name === ''))
    throw refuse('its source class has no name; slots find it by that')
  const locate = async () => (await locator()).locate(producer, given.kind === 'class' ? given.source : undefined, module)
  return { producer, given, count, options, locate }
}

/** A copy of options, as they are now, checked. */
function readOptions<Options extends object>(owner: string, options: Options, table: Readonly<Record<string, Check>>): Options {
  const copy = readUser(`the options of ${owner}`, () => (typeof options === 'object' && options !== null ? { ...options } : options))
  checkOptions(owner, copy, table)
  return copy
}

/** Reads what a getter or an iterator of user code gives. */
function readUser<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof PymarError) throw error
    throw new PymarError('USER_ERROR', `Cannot read ${what}: it threw ${messageOf(error)}`, { cause: error })
  }
}
