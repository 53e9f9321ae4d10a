import { setMaxListeners } from 'node:events'
import type { Partition } from '../data-source.ts'
import { messageOf, notRunnable, PymarError } from '../errors.ts'
import { currentHost, type JobObserver } from '../host.ts'
import type { Given } from '../job/given.ts'
import { jobFileAt } from '../job/job-file.ts'
import type { JobCode } from '../job/locate.ts'
import { closePlan, type JobPlan, planJob } from '../job/plan.ts'
import type { ProducerCode, Shared, SourceCode } from '../job/run.ts'
import { lazy } from '../lazy.ts'
import type { MapOptions, Progress } from '../options.ts'
import { clearInterval, clearTimeout, now, setInterval, setTimeout } from '../timers.ts'
import type { Channel, JobSpec, Opened, Transport } from '../transport/port.ts'
import { decode, encode } from '../wire/codec.ts'
import type { Checkpoint } from './checkpoint.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { JobControl } from './job.ts'
import { cancelledError, timeoutError } from './job-errors.ts'

/** All that one job needs to know. */
export interface JobRequest {
  readonly producer: ProducerCode
  readonly given: Given
  /** Partitions asked for: `WORKERS_NUMBER`. */
  readonly count: number
  readonly options: MapOptions
  /** Finds the job file and the classes in it. */
  locate(): Promise<JobCode>
}

/** What carries the tasks of a job. */
export interface Transports extends Opened {
  /** Cancels the job with the producer that it belongs to. */
  readonly closing?: AbortSignal
}

/** Said, so that no error with a stack is made to say it. */
const OVER = 'the job is over'
const LONGEST_TIMER_MS = 2 ** 31 - 1

const dispatching = lazy(() => import('./dispatcher.ts'))
const checkpointing = lazy(() => import('./checkpoint.ts'))

/** Runs a job from its plan to its end. Whatever ends it first decides how it ends. */
export async function runJob(control: JobControl, request: JobRequest, transports: Transports): Promise<unknown> {
  const run = new JobRun(control, request, transports)
  try {
    return decode(await run.ended, `the result of ${request.producer.name}`)
  } finally {
    await run.close()
  }
}

class JobRun {
  readonly ended: Promise<Uint8Array>
  readonly #control: JobControl
  readonly #request: JobRequest
  readonly #transports: Transports
  readonly #observer: JobObserver | undefined
  /** Aborted when the job is over, however it ends. */
  readonly #over = new AbortController()
  readonly #startedAt = now()
  /** Keeps the process alive while the job runs: slots and sockets do not. */
  readonly #alive = setInterval(() => {}, LONGEST_TIMER_MS)
  readonly #timer: NodeJS.Timeout | undefined
  #settle: { resolve(bytes: Uint8Array): void; reject(error: unknown): void } | undefined
  #plan: JobPlan | undefined
  #checkpoint: Checkpoint | undefined
  #opensCheckpoint: Promise<Checkpoint> | undefined
  /** Whether all is known that tasks need. */
  #isReady = false
  #dispatcher: Dispatcher | undefined
  /** The latest channel that was asked for. */
  #opening: Promise<Channel> | undefined
  #loading: Promise<Dispatcher> | undefined
  /** Whether `timeoutMs` is over, and the job goes on elsewhere. */
  #late = false
  #fallback: Transport | undefined

  constructor(control: JobControl, request: JobRequest, transports: Transports) {
    this.#control = control
    this.#request = request
    this.#transports = transports
    this.ended = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    const host = currentHost()
    this.#observer = host?.jobStarted(request.producer.name)
    const { timeoutMs, signal } = request.options
    if (timeoutMs !== undefined) this.#timer = setTimeout(() => this.#timedOut(timeoutMs), timeoutMs)
    // Many jobs may share a signal, which is no leak: each lets go of it when it ends.
    for (const source of [host?.signal, transports.closing, control.signal, signal]) this.#cancelBy(source)
    if (!this.#over.signal.aborted) this.#start().catch((error) => this.#fail(error))
  }

  /** Lets go of everything: tasks, timers, and what the plan rests on. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    const isHeard = this.#dispatcher?.close() ?? true
    this.#fallback?.release()
    this.#observer?.ended()
    const checkpoint = await this.#opensCheckpoint?.catch(() => undefined)
    await Promise.all([checkpoint?.close(isHeard), closePlan(this.#plan)])
    clearInterval(this.#alive)
  }

  #finish(bytes: Uint8Array) {
    this.#over.abort(OVER)
    this.#settle?.resolve(bytes)
  }

  #fail(error: unknown) {
    this.#over.abort(error)
    this.#settle?.reject(error)
  }

  async #start() {
    const { given, count, options } = this.#request
    const { checkpoint: path } = options
    const plan = await planJob(given, count, this.#over.signal)
    if (this.#over.signal.aborted) return closePlan(plan)
    this.#plan = plan
    this.#isReady = path === undefined
    plan.lost?.catch((error) => this.#fail(error))
    if (path !== undefined) {
      this.#opensCheckpoint = this.#openCheckpoint(path, plan)
      this.#checkpoint = await this.#opensCheckpoint
    }
    if (this.#over.signal.aborted) return
    this.#isReady = true
    const { transport, fallback } = this.#transports
    // One whose partitions are all done needs nobody but this machine, which reduces in any case.
    const isElsewhere = this.#late || this.#checkpoint?.done === plan.partitions.length
    await (isElsewhere && fallback ? this.#fallBack(plan, fallback) : this.#open(plan, transport))
  }

  async #openCheckpoint(path: string, plan: JobPlan): Promise<Checkpoint> {
    const { producer, given } = this.#request
    const { Checkpoint } = await checkpointing().catch(notRunnable)
    const { url } = await this.#locate()
    const code = producer.VERSION ?? (await jobFileAt(url)).code
    const failed = (error: unknown) => this.#fail(error)
    return Checkpoint.open({ path, producer: producer.name, code, given, plan, run: this.#control.id, failed })
  }

  async #fallBack(plan: JobPlan, fallback: () => Transport): Promise<void> {
    this.#fallback = fallback()
    await this.#open(plan, this.#fallback)
  }

  /** The tasks cannot be computed where they are. Without a broker they can be elsewhere, if the producer has said so. */
  #broken(error: unknown) {
    const { fallback, withoutBroker } = this.#transports
    const unreachable = error instanceof PymarError && error.code === 'BROKER'
    if (!unreachable || !withoutBroker || !fallback || !this.#plan || this.#fallback || this.#over.signal.aborted) return this.#fail(error)
    console.error(`${this.#request.producer.name} goes on on this machine's cores, as fallback is "local": ${error.message}`)
    this.#fallBack(this.#plan, fallback).catch((later) => this.#fail(later))
  }

  /** Goes on over this transport. One that was asked for earlier and opens late, or not at all, does not matter any more. */
  async #open(plan: JobPlan, transport: Transport) {
    const opening = (async () => transport.open(this.#spec(plan), Math.max(1, plan.partitions.length)))()
    this.#opening = opening
    try {
      // Slots come up while the rest of the code is loaded.
      this.#loading ??= this.#loadDispatcher(plan)
      const [channel, dispatcher] = await Promise.all([opening, this.#loading])
      if (this.#over.signal.aborted || this.#opening !== opening) return void channel.close()
      dispatcher.use(channel)
      this.#report()
    } catch (error) {
      if (this.#opening === opening) this.#broken(error)
    }
  }

  async #loadDispatcher({ partitions }: JobPlan): Promise<Dispatcher> {
    const { Dispatcher } = await dispatching().catch(notRunnable)
    const { given, options, producer } = this.#request
    this.#dispatcher = new Dispatcher(producer.name, partitions, given, options, {
      counted: (partition, bytes) => {
        this.#checkpoint?.count(partition.index, bytes)
        for (const feed of this.#control.feeds) feed.add(partition, bytes)
        this.#report()
      },
      result: (bytes) => this.#finish(bytes),
      failed: (error) => this.#broken(error),
    })
    const done = this.#checkpoint?.takeDone()
    if (done) {
      for (const feed of this.#control.feeds) for (const [index, bytes] of done) feed.add(partitions.at(index) as Partition, bytes)
      this.#dispatcher.know(done)
    }
    return this.#dispatcher
  }

  async #locate(): Promise<JobCode> {
    const code = await this.#request.locate()
    this.#observer?.located(code.url)
    return code
  }

  #spec(plan: JobPlan): JobSpec {
    const { producer, given } = this.#request
    const { kept } = this.#checkpoint ?? {}
    const spec = { id: this.#control.id, partitions: plan.partitions.length, producer, locate: () => this.#locate(), ...(kept && { kept }) }
    if (given.kind === 'data') return spec
    const { source, encodedParams } = given
    const ofSource = { ...spec, source: source as unknown as SourceCode }
    if (!encodedParams && plan.shared === undefined) return ofSource
    const shared: Shared = {
      ...(encodedParams && { params: decode(encodedParams) }),
      ...(plan.shared !== undefined && { plan: plan.shared }),
    }
    return { ...ofSource, shared: encode(shared, `what the partitions of ${source.name} share`) }
  }

  #report() {
    const { options, producer } = this.#request
    if (!this.#dispatcher || !(this.#observer || options.onProgress)) return
    const progress: Progress = { ...this.#dispatcher.state, elapsedMs: now() - this.#startedAt }
    this.#observer?.progress(progress)
    const failed = (error: unknown) => {
      const message = `Cannot report progress of ${producer.name}: onProgress threw ${messageOf(error)}`
      this.#fail(new PymarError('USER_ERROR', message, { cause: error }))
    }
    try {
      // Of an async function too, though its type does not ask for one.
      const result: unknown = options.onProgress?.(progress)
      if (result instanceof Promise) result.catch(failed)
    } catch (error) {
      failed(error)
    }
  }

  #cancelBy(signal: AbortSignal | undefined) {
    const cancel = () => this.#fail(cancelledError(this.#request.producer.name, signal?.reason))
    if (!signal) return
    if (signal.aborted) return cancel()
    setMaxListeners(0, signal)
    signal.addEventListener('abort', cancel, { once: true, signal: this.#over.signal })
  }

  #timedOut(limitMs: number) {
    const { options, producer, count } = this.#request
    const { fallback } = this.#transports
    const { done, partitions } = this.#dispatcher?.state ?? { done: 0, partitions: count }
    if (options.onTimeout !== 'local') return this.#fail(timeoutError({ producer: producer.name, partitions }, done, limitMs))
    this.#late = true
    if (this.#plan && this.#isReady && fallback) this.#fallBack(this.#plan, fallback).catch((error) => this.#fail(error))
  }
}
