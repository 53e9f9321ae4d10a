import { hostname } from 'node:os'
import { messageOf, type PymarError } from '../errors.ts'
import type { JobFileAt } from '../job/job-file.ts'
import type { ExportedClass } from '../job/load.ts'
import type { ServedProducer } from '../options.ts'
import type { SlotPool } from '../slot/pool.ts'
import { outputEnded } from '../slot/prefix-output.ts'
import { keepAlive, now, setTimeout } from '../timers.ts'
import { type ConsumeMessage, Link, type LinkOwner, type LinkSettings, type Message, type Session } from '../transport/amqp-link.ts'
import { decompress } from '../wire/compress.ts'
import { Joiner, unpack } from '../wire/frame.ts'
import { fingerprintOf, OWN_QUEUE_OPTIONS, taskQueue, toNamesakes, toWorkersOf, workerQueue } from '../wire/names.ts'
import { CONTROL_MESSAGES, type ControlMessage, readMessage } from '../wire/protocol.ts'
import type { Delivery } from './delivery.ts'
import { Fetches } from './fetches.ts'
import { HeldJob } from './held-job.ts'
import { Intake } from './intake.ts'
import { Presence } from './presence.ts'
import { Replies } from './replies.ts'

export interface WorkerSettings {
  readonly link: LinkSettings
  readonly namespace: string
  readonly file: JobFileAt
  readonly pool: SlotPool
  readonly producers: readonly ExportedClass[]
  /** Whether the task queues are emptied first. */
  readonly purge: boolean
  /** Milliseconds that the broker waits for an acknowledgement. */
  readonly ackTimeoutMs: number
  /** Milliseconds that its slots may finish in when it leaves. */
  readonly graceMs: number
  /** Details. */
  log(line: string): void
  /** What an operator should know. */
  say(line: string): void
}

/** Messages that a worker holds beside those that its slots compute. A message of short partitions holds many of them. */
const AHEAD_PER_SLOT = 1
/** Tasks that came together are thought to be short; those that have not begun after so long, in milliseconds, are for others to take too. */
const SHARE_MS = 50
/** Jobs that are known to be over, so that what is left of them in the queue costs nothing. */
const STOPPED_LIMIT = 10_000
/** So long without a broker, in milliseconds, and it is said. */
const SAY_AFTER_MS = 2000
/** So long, in milliseconds, a worker that ends waits for the last that its slots have printed. */
const OUTPUT_MS = 500

/** Takes tasks from a broker, and has its slots compute them. */
export class Worker implements LinkOwner {
  readonly id = `${hostname().replace(/[^\w.-]/g, '-')}:${process.pid}:${Math.floor(Math.random() * 2 ** 32).toString(36)}`
  readonly served: readonly ServedProducer[]
  readonly #settings: WorkerSettings
  readonly #link: Link
  readonly #replies: Replies
  readonly #intake: Intake
  readonly #presence: Presence
  readonly #fetches: Fetches
  readonly #joiner = new Joiner()
  readonly #jobs = new Map<string, HeldJob>()
  readonly #stopped = new Set<string>()
  /** Deliveries that wait until it is known whether their producer is there. */
  readonly #parked = new Map<string, Delivery[]>()
  #connectedBefore = false
  #tryingSince: number | undefined
  #saidTrying = false
  #closing: Promise<void> | undefined
  /** Why it left by itself. */
  #failure: unknown
  #end: ((failure: unknown) => void) | undefined
  /** Resolves when it has ended: with the reason, if it left by itself. */
  readonly ended = new Promise<unknown>((resolve) => {
    this.#end = resolve
  })

  constructor(settings: WorkerSettings) {
    this.#settings = settings
    const { namespace, file, producers, ackTimeoutMs, log } = settings
    this.served = producers.map(({ name: producer, version }) => {
      const fingerprint = fingerprintOf(file.code, version, undefined)
      return { producer, fingerprint, queue: taskQueue(namespace, producer, fingerprint) }
    })
    this.#link = new Link(settings.link, this)
    this.#replies = new Replies(this.#link, this.id)
    this.#fetches = new Fetches((replyTo, wanted) => this.#replies.send(replyTo, { type: 'fetch', ...wanted }))
    this.#intake = new Intake({
      served: this.served,
      credit: this.#credit,
      ackTimeoutMs,
      log,
      take: (delivery) => this.#take(delivery),
      holding: (delivery, known) => this.#tellHolding(delivery, known),
      cancelled: () => this.#link.restart(),
    })
    this.#presence = new Presence({
      consumersOf: (queue) => this.#link.consumersOf(queue),
      inUse: () => [...Array.from(this.#intake.deliveries, ({ replyTo }) => replyTo), ...this.#replyQueues()],
      there: (replyTo) => this.#unpark(replyTo, (delivery) => this.#compute(delivery)),
      gone: (replyTo) => this.#leaveProducer(replyTo),
    })
  }

  get #credit(): number {
    return this.#settings.pool.settings.slots * (1 + AHEAD_PER_SLOT)
  }

  start(): Promise<void> {
    return this.#link.open()
  }

  async setup({ channel }: Session): Promise<void> {
    const { namespace, purge } = this.#settings
    const own = workerQueue(namespace, this.id)
    if (this.#connectedBefore) this.#presence.returned()
    this.#tryingSince = undefined
    this.#saidTrying = false
    await channel.assertQueue(own, OWN_QUEUE_OPTIONS)
    const addresses = this.served.flatMap(({ producer, queue }) => [toNamesakes(namespace, producer), toWorkersOf(queue)])
    for (const { exchange, key } of addresses) await channel.bindQueue(own, exchange, key)
    await channel.consume(own, (message) => (message ? void this.#control(message) : this.#link.restart()), { noAck: true })
    await this.#intake.open(channel, purge && !this.#connectedBefore)
    if (this.#connectedBefore) {
      this.#settings.log('connected again')
      this.#fetches.repeat()
      this.#replies.flush()
    }
    this.#connectedBefore = true
  }

  lost(): void {
    this.#settings.log('the connection to the broker is lost; trying again')
  }

  /** Said once, when it lasts: a broker may come up after its workers. */
  trying(error: PymarError): void {
    this.#tryingSince ??= now()
    if (this.#saidTrying || now() - this.#tryingSince < SAY_AFTER_MS) return
    this.#saidTrying = true
    this.#settings.say(`waits for its broker: ${error.message}`)
  }

  failed(error: PymarError): void {
    this.#settings.say(error.message)
  }

  /** A producer's reply queue is gone: it has been gone for a minute. */
  returned({ fields }: Message): void {
    this.#leaveProducer(fields.routingKey)
  }

  /** Takes no more, gives back what has not begun, lets what runs end, and gives back what does not within `graceMs` milliseconds. */
  close(graceMs: number): Promise<void> {
    this.#closing ??= keepAlive(this.#close(graceMs)).then(() => this.#end?.(this.#failure))
    return this.#closing
  }

  async #close(graceMs: number): Promise<void> {
    this.#presence.close()
    this.#parked.clear()
    const ended = this.#intake.close(graceMs)
    for (const delivery of [...this.#intake.deliveries]) {
      const job = this.#jobs.get(delivery.message.job)
      if (job) job.giveBack(delivery.open)
      else this.#intake.giveBack(delivery)
    }
    const running = [...this.#intake.deliveries].reduce((sum, { open }) => sum + open.length, 0)
    if (running > 0) this.#settings.log(`finishes ${running} ${running === 1 ? 'task' : 'tasks'}`)
    await ended
    for (const job of this.#jobs.values()) job.giveUp()
    for (const replyTo of this.#replyQueues()) this.#replies.send(replyTo, { type: 'leaving' })
    this.#replies.flush()
    for (const job of this.#jobs.values()) job.close()
    // It would end by itself, in a minute.
    await this.#link.session?.channel.deleteQueue(workerQueue(this.#settings.namespace, this.id)).catch(() => {})
    await this.#link.close()
    await this.#settings.pool.close()
    await outputEnded(OUTPUT_MS)
  }

  /** A worker that cannot replace its slots is of no use to anybody: it may be that its job file was changed. */
  #leave(error: unknown) {
    this.#settings.say(`leaves: ${messageOf(error)}`)
    this.#failure = error
    void this.close(this.#settings.graceMs)
  }

  #replyQueues(): Set<string> {
    return new Set(Array.from(this.#jobs.values(), ({ replyTo }) => replyTo))
  }

  #take(delivery: Delivery) {
    const { replyTo, message, producer } = delivery
    const { job, of, tasks } = message
    if (this.#stopped.has(job)) return delivery.drop()
    const which = tasks.length === 1 ? `partition ${tasks[0]?.[0]}` : `${tasks.length} partitions from ${tasks[0]?.[0]}`
    this.#settings.log(`takes ${which} of the ${of} of ${producer}, job ${job}`)
    if (this.#presence.isThere(replyTo)) return this.#compute(delivery)
    this.#parked.set(replyTo, [...(this.#parked.get(replyTo) ?? []), delivery])
    this.#presence.look(replyTo)
  }

  #unpark(replyTo: string, then: (delivery: Delivery) => void) {
    const parked = this.#parked.get(replyTo)
    this.#parked.delete(replyTo)
    for (const delivery of parked ?? []) then(delivery)
  }

  #compute(delivery: Delivery) {
    const { message, payload, replyTo } = delivery
    const { job, params, tasks } = message
    let at = 0
    const next = (bytes = 0) => {
      if (bytes <= 0) return undefined
      at += bytes
      return payload.slice(at - bytes, at)
    }
    const inline = next(params)
    const withJob = (held: HeldJob) => {
      for (const task of tasks) {
        const [index, , , , hintBytes, itemBytes] = task
        const hint = next(hintBytes)
        const compute = (items: Uint8Array | undefined) => {
          if (delivery.isOpen(task)) held.compute(task, hint, items, () => delivery.done(task))
        }
        if (itemBytes !== -1) compute(next(itemBytes))
        else this.#fetches.fetch(replyTo, { job, what: 'items', index }, (items) => (items ? compute(items) : delivery.done(task)))
      }
      if (tasks.length > 1) setTimeout(() => held.giveBack(delivery.open), SHARE_MS).unref()
    }
    if (this.#stopped.has(job)) return delivery.drop()
    const known = this.#known(job)
    if (known) return withJob(known)
    const use = (bytes: Uint8Array | undefined) => withJob(this.#job(delivery, bytes))
    if (params !== -1) return use(inline)
    this.#fetches.fetch(replyTo, { job, what: 'params', index: 0 }, (bytes) => (bytes ? use(bytes) : delivery.drop()))
  }

  /** A job whose tasks can be computed here. */
  #known(id: string): HeldJob | undefined {
    const job = this.#jobs.get(id)
    return job?.isOver ? undefined : job
  }

  #job(delivery: Delivery, params: Uint8Array | undefined): HeldJob {
    const known = this.#known(delivery.message.job)
    if (known) return known
    const { pool, file } = this.#settings
    const settings = { pool, file, replies: this.#replies, unloadable: (error: unknown) => this.#leave(error) }
    const job = new HeldJob(settings, delivery, params)
    this.#jobs.set(job.id, job)
    return job
  }

  async #control({ content, properties: { appId, headers, replyTo, contentEncoding } }: ConsumeMessage) {
    try {
      const body = this.#joiner.add(String(appId), headers, content)
      if (!body) return
      const frame = contentEncoding === undefined ? body : await decompress(body)
      for (const { message, payload } of unpack(frame)) this.#obey(readMessage<ControlMessage>(message, CONTROL_MESSAGES), payload, replyTo)
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
        return this.#stopTask(message.job, message.index, message.attempt)
      case 'data':
        return this.#fetches.came(message, payload)
    }
  }

  #tellWho(replyTo: string) {
    const { slots } = this.#settings.pool.settings
    const deliveries = [...this.#intake.deliveries]
    const holds = deliveries.flatMap(({ message: { job }, open }) => open.map(([index, attempt]) => [job, index, attempt] as const))
    for (const { producer, fingerprint } of this.served) {
      this.#replies.send(replyTo, { type: 'here', slots, producer, fingerprint, holds })
    }
  }

  #tellHolding({ message: { job }, open, replyTo }: Delivery, known: () => void) {
    const all = open.length === 1 ? '1 partition' : `${open.length} partitions`
    let left = open.length
    for (const [index, attempt] of open) {
      this.#replies.send(replyTo, { type: 'holding', job, index, attempt }, undefined, () => {
        if (--left > 0) return
        this.#settings.log(`acknowledges ${all} early, since the broker waits no longer`)
        known()
      })
    }
  }

  #stopTask(job: string, index: number, attempt: number) {
    this.#jobs.get(job)?.stop(index, attempt)
    // It may be waiting for its items.
    for (const delivery of [...this.#intake.deliveries]) {
      if (delivery.message.job !== job) continue
      for (const task of delivery.open) if (task[0] === index && task[1] === attempt) delivery.done(task)
    }
  }

  /** A job is over, and what is still to come of it is dropped too. */
  #stop(id: string) {
    this.#stopped.add(id)
    for (const oldest of this.#stopped) {
      if (this.#stopped.size <= STOPPED_LIMIT) break
      this.#stopped.delete(oldest)
    }
    this.#drop(id)
  }

  /** Drops what is held of a job. */
  #drop(id: string) {
    this.#jobs.get(id)?.close()
    this.#jobs.delete(id)
    this.#fetches.drop(id)
    for (const delivery of [...this.#intake.deliveries]) if (delivery.message.job === id) delivery.drop()
  }

  /** Nobody waits for what this producer's process has sent. Should it come back, it sends again what it finds lost. */
  #leaveProducer(replyTo: string) {
    const held = [...this.#jobs.values(), ...this.#intake.deliveries].filter((one) => one.replyTo === replyTo)
    if (held.length > 0) this.#settings.log(`drops what ${replyTo} has sent: nobody waits there for answers`)
    this.#replies.drop(replyTo)
    this.#parked.delete(replyTo)
    for (const one of held) this.#drop('id' in one ? one.id : one.message.job)
  }
}
