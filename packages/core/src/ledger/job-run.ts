import { currentHost, type JobObserver } from '../host.ts'
import { messageOf, PymarError } from '../errors.ts'
import type { Given } from '../job/given.ts'
import { type JobPlan, planJob } from '../job/plan.ts'
import type { ProducerCode, SourceCode } from '../job/run.ts'
import type { MapOptions, Progress } from '../options.ts'
import type { Channel, JobSpec, Transport } from '../transport/port.ts'
import { decode, encode } from '../wire/codec.ts'
import { Dispatcher } from './dispatcher.ts'
import { cancelledError, timeoutError } from './job-errors.ts'
import { PartialFeed } from './partial-feed.ts'

/** All that one job needs to know. */
export interface JobRequest {
  readonly id: string
  readonly producer: ProducerCode
  readonly given: Given
  /** Partitions asked for: `WORKERS_NUMBER`. */
  readonly count: number
  readonly options: MapOptions
  readonly transport: Transport
  /** What `onTimeout: 'local'` goes on with; not there where the job is computed on this machine anyway. */
  readonly fallback?: () => Transport
  /** The URL of the job file. */
  locate(): Promise<string>
}

/** A plan is given this long to close before the job ends without it, in milliseconds. */
const CLOSE_LIMIT_MS = 2000
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** One job from its plan to its end. Whatever ends it first decides how it ends. */
export class JobRun {
  readonly #request: JobRequest
  readonly #settle: { resolve(value: unknown): void; reject(error: unknown): void }
  readonly #observer: JobObserver | undefined
  readonly #abort = new AbortController()
  readonly #feeds = new Set<PartialFeed>()
  readonly #startedAt = performance.now()
  /** Keeps the process alive while the job runs: slots and sockets do not. */
  readonly #alive = setInterval(() => {}, LONGEST_TIMER_MS)
  #timer: NodeJS.Timeout | undefined
  #plan: JobPlan | undefined
  #dispatcher: Dispatcher | undefined
  #over = false

  constructor(request: JobRequest, settle: { resolve(value: unknown): void; reject(error: unknown): void }) {
    this.#request = request
    this.#settle = settle
    const host = currentHost()
    this.#observer = host?.jobStarted(request.producer.name)
    const { timeoutMs } = request.options
    if (timeoutMs !== undefined) this.#timer = setTimeout(() => this.#timedOut(), timeoutMs)
    for (const signal of [host?.signal, request.options.signal]) this.#cancelBy(signal)
    if (!this.#over) void this.#start()
  }

  cancel(reason?: unknown): void {
    this.#fail(cancelledError({ producer: this.#request.producer.name }, reason))
  }

  /** Partials as they arrive from now on. */
  partials(): PartialFeed {
    const feed = new PartialFeed((closed) => this.#feeds.delete(closed))
    if (this.#over) feed.end()
    else this.#feeds.add(feed)
    return feed
  }

  async #start() {
    const { given, count, options, producer } = this.#request
    try {
      const plan = await planJob(given, count, this.#abort.signal)
      if (this.#over) return await closePlan(plan)
      this.#plan = plan
      this.#dispatcher = new Dispatcher(producer.name, plan.partitions, given, options, {
        counted: (partition, bytes) => {
          for (const feed of this.#feeds) feed.add(partition, bytes)
          this.#report()
        },
        result: (bytes) => this.#finish(bytes),
        failed: (error) => this.#fail(error),
      })
      await this.#open(this.#request.transport)
    } catch (error) {
      this.#fail(error)
    }
  }

  async #open(transport: Transport) {
    const dispatcher = this.#dispatcher as Dispatcher
    const channel: Channel = await transport.open(this.#spec(), Math.max(1, dispatcher.state.partitions), dispatcher)
    if (this.#over) return channel.close()
    dispatcher.use(channel)
    this.#report()
  }

  #spec(): JobSpec {
    const { id, producer, given, locate } = this.#request
    const partitions = this.#dispatcher?.state.partitions ?? 0
    if (given.kind === 'data') return { id, partitions, producer, locate }
    const { source, params } = given
    const encoded = params === undefined ? {} : { params: encode(params, `the params of ${source.name}`) }
    return { id, partitions, producer, source: source as unknown as SourceCode & { name: string }, ...encoded, locate }
  }

  #report() {
    const state = this.#dispatcher?.state
    if (!state || this.#over) return
    const progress: Progress = { ...state, elapsedMs: performance.now() - this.#startedAt }
    this.#observer?.progress(progress)
    try {
      this.#request.options.onProgress?.(progress)
    } catch (error) {
      const name = this.#request.producer.name
      this.#fail(new PymarError('USER_ERROR', `Cannot report progress of ${name}: onProgress threw ${messageOf(error)}`, { cause: error }))
    }
  }

  #cancelBy(signal: AbortSignal | undefined) {
    if (signal?.aborted) this.cancel(signal.reason)
    else signal?.addEventListener('abort', () => this.cancel(signal.reason), { once: true, signal: this.#abort.signal })
  }

  #timedOut() {
    const { options, producer, fallback } = this.#request
    const state = this.#dispatcher?.state ?? { done: 0, partitions: this.#request.count }
    if (options.onTimeout !== 'local') {
      this.#fail(timeoutError({ producer: producer.name, partitions: state.partitions }, state.done, options.timeoutMs as number))
    } else if (fallback && this.#dispatcher) {
      this.#open(fallback()).catch((error) => this.#fail(error))
    }
  }

  #finish(bytes: Uint8Array) {
    if (!this.#end()) return
    for (const feed of this.#feeds) feed.end()
    try {
      const value = decode(bytes)
      void closePlan(this.#plan).then(() => this.#settle.resolve(value))
    } catch (error) {
      this.#settle.reject(error)
    }
  }

  #fail(error: unknown) {
    if (!this.#end()) return
    for (const feed of this.#feeds) feed.end({ error })
    void closePlan(this.#plan).then(() => this.#settle.reject(error))
  }

  /** Lets go of everything. False if the job had ended before. */
  #end(): boolean {
    if (this.#over) return false
    this.#over = true
    clearTimeout(this.#timer)
    clearInterval(this.#alive)
    this.#abort.abort()
    this.#dispatcher?.close()
    this.#observer?.ended()
    return true
  }
}

/** What a plan rests on is closed before the job ends; that it cannot be closed spoils no answer, but is said. */
async function closePlan(plan: JobPlan | undefined): Promise<void> {
  if (!plan?.close) return
  const closed = (async () => plan.close?.())().catch((error) => {
    process.emitWarning(`Cannot close the plan of a job: ${messageOf(error)}`, 'PymarWarning')
  })
  await Promise.race([closed, new Promise((late) => setTimeout(late, CLOSE_LIMIT_MS).unref())])
}
