import { hostname } from 'node:os'
import { messageOf, PymarError } from '../errors.ts'
import type { JobFileAt } from '../job/job-file.ts'
import type { ExportedClass } from '../job/load.ts'
import type { SlotPool } from '../slot/pool.ts'
import { clearInterval, now, setInterval, setTimeout } from '../timers.ts'
import { type ConsumeMessage, Link, type LinkOwner, type LinkSettings, type Message, type Session } from '../transport/amqp-link.ts'
import { Joiner, unpack } from '../wire/frame.ts'
import {
  controlExchange,
  fingerprintOf,
  keyOfProducer,
  keyOfQueue,
  keyOfWorker,
  OWN_QUEUE_OPTIONS,
  TASK_QUEUE_OPTIONS,
  taskQueue,
  workerQueue,
} from '../wire/names.ts'
import {
  CONTROL_MESSAGES,
  type ControlMessage,
  type PartitionsMessage,
  readMessage,
  TASK_MESSAGES,
  type TaskMessage,
} from '../wire/protocol.ts'
import { HeldJob } from './held-job.ts'
import { Replies } from './replies.ts'

/** What a worker computes: one producer of its job file, by the queue where its tasks wait. */
export interface Served {
  readonly producer: string
  readonly fingerprint: string
  readonly queue: string
}

export interface WorkerSettings {
  readonly link: LinkSettings
  readonly namespace: string
  readonly file: JobFileAt
  readonly pool: SlotPool
  readonly producers: readonly ExportedClass[]
  /** Whether the task queues are emptied first. */
  readonly purge: boolean
  log(line: string): void
}

/** What waits for something that was asked of a producer. */
interface Waiting {
  use(data: Uint8Array): void
  /** It will not come any more. */
  drop(): void
}

/** Tasks that a worker holds beside those that its slots compute. */
const AHEAD_PER_SLOT = 1
/** How often a worker looks whether the producers of what it holds are still there, in milliseconds. */
const ORPHAN_CHECK_MS = 2000
/** So long after a connection was lost, the other side may be still on its way back. */
const AFTER_CONNECTING_MS = 10_000
/** Jobs that are known to be over, so that what is left of them in the queue costs nothing. */
const STOPPED_LIMIT = 10_000

/** Takes tasks from a broker, and has its slots compute them. */
export class Worker implements LinkOwner {
  readonly id = `${hostname().replace(/[^\w.-]/g, '-')}:${process.pid}:${Math.floor(Math.random() * 2 ** 32).toString(36)}`
  readonly served: readonly Served[]
  readonly #settings: WorkerSettings
  readonly #link: Link
  readonly #replies: Replies
  readonly #joiner = new Joiner()
  readonly #jobs = new Map<string, HeldJob>()
  readonly #stopped = new Set<string>()
  /** What was asked of a producer, and who waits for it. */
  readonly #fetches = new Map<string, Waiting[]>()
  #consumers: string[] = []
  readonly #orphanTimer: NodeJS.Timeout
  #suspects = new Set<string>()
  #connectedAt = 0
  #connectedBefore = false
  #held = 0
  #idle: (() => void) | undefined
  #closing: Promise<void> | undefined

  constructor(settings: WorkerSettings) {
    this.#settings = settings
    const { namespace, file, producers } = settings
    this.served = producers.map(({ name: producer, version }) => {
      const fingerprint = fingerprintOf(file.code, version, undefined)
      return { producer, fingerprint, queue: taskQueue(namespace, producer, fingerprint) }
    })
    this.#link = new Link(settings.link, this)
    this.#replies = new Replies(this.#link, this.id)
    const check = () => {
      // Without a connection nothing can be asked; the next check comes.
      this.#checkOrphans().catch((error) => settings.log(`cannot look for producers: ${messageOf(error)}`))
    }
    this.#orphanTimer = setInterval(check, ORPHAN_CHECK_MS).unref()
  }

  start(): Promise<void> {
    return this.#link.open()
  }

  async setup({ channel }: Session): Promise<void> {
    const { namespace, pool } = this.#settings
    this.#connectedAt = now()
    const exchange = controlExchange(namespace)
    const own = workerQueue(namespace, this.id)
    await channel.assertExchange(exchange, 'direct', { durable: true })
    await channel.assertQueue(own, OWN_QUEUE_OPTIONS)
    const keys = this.served.flatMap(({ producer, queue }) => [keyOfProducer(producer), keyOfQueue(queue)])
    for (const key of new Set([keyOfWorker(this.id), ...keys])) await channel.bindQueue(own, exchange, key)
    await channel.consume(own, (message) => message && this.#control(message), { noAck: true })
    await channel.prefetch(pool.settings.slots * (1 + AHEAD_PER_SLOT))
    this.#consumers = []
    for (const { producer, queue } of this.served) {
      await channel.assertQueue(queue, TASK_QUEUE_OPTIONS)
      if (this.#settings.purge && !this.#connectedBefore) await channel.purgeQueue(queue)
      const acknowledge = (message: ConsumeMessage) => {
        // After the channel's end the broker gives the task to somebody again, and knows nothing of this delivery.
        if (this.#link.isOpen(channel)) channel.ack(message)
      }
      const { consumerTag } = await channel.consume(
        queue,
        (message) => message && this.#take(message, producer, () => acknowledge(message)),
      )
      this.#consumers.push(consumerTag)
    }
    this.#connectedBefore = true
  }

  lost(): void {
    this.#settings.log('the connection to the broker is lost; trying again')
  }

  failed(error: PymarError): void {
    this.#settings.log(error.message)
  }

  /** A producer's reply queue is gone: it has been gone for a minute. */
  returned({ fields }: Message): void {
    for (const job of [...this.#jobs.values()]) if (job.replyTo === fields.routingKey) this.#stop(job.id)
  }

  /** Lets what runs end, and gives the rest back. */
  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#close(graceMs)
    return this.#closing
  }

  async #close(graceMs: number): Promise<void> {
    clearInterval(this.#orphanTimer)
    const alive = setInterval(() => {}, graceMs + 1)
    const channel = this.#link.session?.channel
    for (const tag of this.#consumers) await channel?.cancel(tag).catch(() => {})
    if (this.#held > 0) {
      await Promise.race([
        new Promise<void>((idle) => {
          this.#idle = idle
        }),
        new Promise<void>((late) => setTimeout(late, graceMs).unref()),
      ])
    }
    for (const job of this.#jobs.values()) job.close()
    await this.#link.close()
    await this.#settings.pool.close()
    clearInterval(alive)
  }

  #take(delivery: ConsumeMessage, producer: string, acknowledge: () => void) {
    const { replyTo } = delivery.properties
    try {
      const [parcel] = unpack(delivery.content)
      const message = readMessage<TaskMessage>(parcel?.message, TASK_MESSAGES)
      if (message.type !== 'partitions' || typeof replyTo !== 'string')
        throw new PymarError('INVALID_ARGUMENT', `there is no ${message.type} here`)
      if (this.#stopped.has(message.job)) return acknowledge()
      this.#compute(message, parcel?.payload ?? new Uint8Array(0), producer, replyTo, acknowledge)
    } catch (error) {
      this.#settings.log(messageOf(error))
      acknowledge()
    }
  }

  #compute(message: PartitionsMessage, payload: Uint8Array, producer: string, replyTo: string, acknowledge: () => void) {
    let at = 0
    const next = (bytes: number | undefined) => {
      if (bytes === undefined || bytes <= 0) return undefined
      at += bytes
      return payload.slice(at - bytes, at)
    }
    const params = next(message.params)
    let left = message.tasks.length
    const done = () => {
      this.#held--
      if (this.#held === 0) this.#idle?.()
      if (--left === 0) acknowledge()
    }
    const withJob = (job: HeldJob) => {
      for (const entry of message.tasks) {
        this.#held++
        const hint = next(entry[4])
        const use = (items: Uint8Array | undefined) => job.compute(entry, hint, items, done)
        if (entry[5] === -1) this.#fetch(replyTo, message.job, 'items', entry[0], { use, drop: done })
        else use(next(entry[5]))
      }
    }
    const known = this.#jobs.get(message.job)
    if (known) return withJob(known)
    const use = (bytes: Uint8Array | undefined) => withJob(this.#job(message, producer, replyTo, bytes))
    if (message.params === -1) this.#fetch(replyTo, message.job, 'params', 0, { use, drop: acknowledge })
    else use(params)
  }

  #job(message: PartitionsMessage, producer: string, replyTo: string, params: Uint8Array | undefined): HeldJob {
    const known = this.#jobs.get(message.job)
    if (known) return known
    const { pool, file } = this.#settings
    const job = new HeldJob(pool, file, this.#replies, message, producer, replyTo, params)
    this.#jobs.set(job.id, job)
    return job
  }

  #fetch(replyTo: string, job: string, what: 'params' | 'items', index: number, waiter: Waiting) {
    const key = `${job} ${what} ${index}`
    const waiting = this.#fetches.get(key)
    if (waiting) return void waiting.push(waiter)
    this.#fetches.set(key, [waiter])
    this.#replies.send(replyTo, { type: 'fetch', job, what, index })
  }

  #control(delivery: ConsumeMessage) {
    try {
      const body = this.#joiner.add(String(delivery.properties.appId), delivery.properties.headers, delivery.content)
      if (!body) return
      for (const { message, payload } of unpack(body)) {
        this.#obey(readMessage<ControlMessage>(message, CONTROL_MESSAGES), payload, delivery.properties.replyTo)
      }
    } catch (error) {
      this.#settings.log(messageOf(error))
    }
  }

  #obey(message: ControlMessage, payload: Uint8Array | undefined, replyTo: string | undefined) {
    switch (message.type) {
      case 'who':
        if (replyTo) this.#tellWho(replyTo)
        return
      case 'stop':
        return this.#stop(message.job)
      case 'stop-task':
        return this.#jobs.get(message.job)?.stop(message.index, message.attempt)
      case 'data': {
        const key = `${message.job} ${message.what} ${message.index}`
        const waiting = this.#fetches.get(key)
        this.#fetches.delete(key)
        for (const { use } of waiting ?? []) use(payload ?? new Uint8Array(0))
      }
    }
  }

  #tellWho(replyTo: string) {
    const { slots } = this.#settings.pool.settings
    const holds = [...this.#jobs.values()].flatMap((job) => job.tasks)
    for (const { producer, fingerprint } of this.served) {
      this.#replies.send(replyTo, { type: 'here', slots, credit: slots * (1 + AHEAD_PER_SLOT), producer, fingerprint, holds })
    }
  }

  #stop(id: string) {
    this.#stopped.add(id)
    for (const oldest of this.#stopped) {
      if (this.#stopped.size <= STOPPED_LIMIT) break
      this.#stopped.delete(oldest)
    }
    this.#jobs.get(id)?.close()
    this.#jobs.delete(id)
    for (const [key, waiting] of this.#fetches) {
      if (!key.startsWith(`${id} `)) continue
      this.#fetches.delete(key)
      for (const { drop } of waiting) drop()
    }
  }

  /** A job whose producer does not listen, seen twice, is over. */
  async #checkOrphans() {
    const model = this.#link.session?.model
    if (!model || now() - this.#connectedAt < AFTER_CONNECTING_MS) return
    const queues = new Set(Array.from(this.#jobs.values(), (job) => job.replyTo))
    const suspects = new Set<string>()
    for (const queue of queues) {
      const channel = await model.createChannel()
      channel.on('error', () => {})
      const consumers = await channel.checkQueue(queue).then(
        ({ consumerCount }) => consumerCount,
        () => 0,
      )
      await channel.close().catch(() => {})
      if (consumers === 0) suspects.add(queue)
    }
    const orphans = new Set([...suspects].filter((queue) => this.#suspects.has(queue)))
    this.#suspects = suspects
    for (const job of [...this.#jobs.values()]) if (orphans.has(job.replyTo)) this.#stop(job.id)
  }
}
