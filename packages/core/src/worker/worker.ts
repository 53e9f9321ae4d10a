import { hostname } from 'node:os'
import { messageOf, type PymarError } from '../errors.ts'
import type { JobFileAt } from '../job/job-file.ts'
import type { ExportedClass } from '../job/load.ts'
import type { ServedProducer } from '../options.ts'
import type { SlotPool } from '../slot/pool.ts'
import { outputEnded } from '../slot/prefix-output.ts'
import { keepAlive } from '../timers.ts'
import { Link, type LinkOwner, type LinkSettings } from '../transport/amqp-link.ts'
import type { ConsumeMessage, Message, Session } from '../transport/amqp-session.ts'
import { denialOf } from '../transport/broker-error.ts'
import { MuteQueues } from '../transport/mute-queue.ts'
import { Reader } from '../transport/reader.ts'
import { HELLO, hello, otherProtocol } from '../wire/hello.ts'
import { fingerprintOf, queueOptions, replicaOf, taskQueue, toAllVersions, toNamesakes, toWorkersOf, workerQueue } from '../wire/names.ts'
import { CONTROL_MESSAGES, type ControlMessage, PROTOCOL } from '../wire/protocol.ts'
import type { Delivery } from './delivery.ts'
import { Fetches } from './fetches.ts'
import { HeldJobs } from './held-jobs.ts'
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
/** So long, in milliseconds, a worker that ends waits for the last that its slots have printed. */
const OUTPUT_MS = 500

/** What a message from the broker says of itself. */
interface Envelope {
  readonly replyTo: string | undefined
  readonly routingKey: string
}

function newId(): string {
  return `${hostname().replace(/[^\w.-]/g, '-')}:${process.pid}:${Math.floor(Math.random() * 2 ** 32).toString(36)}`
}

/** Takes tasks from a broker, and has its slots compute them. */
export class Worker implements LinkOwner {
  #id = newId()
  readonly served: readonly ServedProducer[]
  readonly #settings: WorkerSettings
  readonly #link: Link
  readonly #replies: Replies
  readonly #intake: Intake
  readonly #presence: Presence
  readonly #fetches: Fetches
  readonly #reader = new Reader<ControlMessage>(CONTROL_MESSAGES)
  readonly #jobs: HeldJobs
  #connectedBefore = false
  /** Whether it has said that it waits for its broker. */
  #isWaiting = false
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
    const { namespace, file, pool, producers, ackTimeoutMs, log, say } = settings
    this.served = producers.map(({ name: producer, version }) => {
      const fingerprint = fingerprintOf(file.code, version, undefined)
      return { producer, fingerprint, queue: taskQueue(namespace, producer, fingerprint) }
    })
    this.#link = new Link(settings.link, this)
    this.#replies = new Replies(this.#link, () => this.#id)
    this.#fetches = new Fetches((replyTo, wanted) => this.#replies.send(replyTo, { type: 'fetch', ...wanted }))
    const mute = new MuteQueues(this.#link, say)
    this.#intake = new Intake({
      served: this.served,
      credit: this.#credit,
      ackTimeoutMs,
      log,
      say,
      take: (delivery) => this.#jobs.take(delivery),
      holding: (delivery, known) => this.#tellHolding(delivery, known),
      cancelled: () => this.#link.restart(),
      declare: (queue) => this.#declare(queue),
      waiting: (queue) => this.#link.waitingIn(queue),
      ask: (queue, question) => mute.ask(queue, question),
    })
    this.#jobs = new HeldJobs({
      pool,
      file,
      replies: this.#replies,
      fetches: this.#fetches,
      presence: () => this.#presence,
      deliveries: () => this.#intake.deliveries,
      giveBack: (delivery) => this.#intake.giveBack(delivery),
      unloadable: (error) => this.#leave(error),
      log,
    })
    this.#presence = new Presence({
      consumersOf: (queue) => this.#link.consumersOf(queue),
      inUse: () => [...Array.from(this.#intake.deliveries, ({ replyTo }) => replyTo), ...this.#jobs.replyQueues],
      there: (replyTo) => this.#jobs.there(replyTo),
      unheard: (replyTo) => this.#jobs.unheard(replyTo),
      gone: (replyTo, isMissing) => (isMissing ? this.#jobs.gone(replyTo) : this.#jobs.left(replyTo)),
    })
  }

  get id(): string {
    return this.#id
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
    await channel.assertQueue(own, queueOptions(own, 'process')).catch((error) => {
      // In a cluster it may be on a machine that is gone; then nobody may declare it, and another name does.
      if (/NOT[-_]FOUND/.test(messageOf(error))) this.#id = newId()
      throw error
    })
    const addresses = this.served.flatMap(({ producer, queue }) => [
      toNamesakes(namespace, producer),
      toAllVersions(namespace, producer),
      toWorkersOf(queue),
    ])
    for (const { exchange, key } of addresses) await channel.bindQueue(own, exchange, key)
    await channel.consume(own, (message) => (message ? void this.#control(message) : this.#link.restart()), { noAck: true })
    await this.#intake.open(channel, purge && !this.#connectedBefore)
    for (const { queue } of this.served)
      if ((await this.#link.consumersOf(replicaOf(queue))) !== undefined) await this.#intake.takeReplica(queue)
    if (this.#connectedBefore) {
      this.#settings[this.#isWaiting ? 'say' : 'log']('connected again')
      this.#isWaiting = false
      this.#fetches.repeat()
      this.#replies.flush()
    }
    this.#connectedBefore = true
  }

  /** @returns Why it cannot be done now. */
  async #declare(queue: string): Promise<string | undefined> {
    try {
      await this.#link.declare(queue, queueOptions(queue, 'tasks'))
      return undefined
    } catch (error) {
      const denial = denialOf(this.#settings.link.broker, queue, error)
      if (!denial || denial.isFinal) throw error
      return denial.error.message
    }
  }

  lost(): void {
    this.#settings.log('the connection to the broker is lost; trying again')
  }

  /** A broker may come up after its workers. */
  waiting(error: PymarError): void {
    this.#isWaiting = true
    this.#settings.say(`waits for its broker: ${error.message}`)
  }

  failed(error: PymarError): void {
    this.#settings.say(error.message)
  }

  /** A producer's reply queue is gone: it has been gone for a minute. */
  returned({ fields }: Message): void {
    this.#jobs.gone(fields.routingKey)
  }

  /** Takes no more, gives back what has not begun, lets what runs end, and gives back what does not within `graceMs` milliseconds. */
  close(graceMs: number): Promise<void> {
    this.#closing ??= keepAlive(this.#close(graceMs)).then(() => this.#end?.(this.#failure))
    return this.#closing
  }

  async #close(graceMs: number): Promise<void> {
    this.#presence.close()
    const ended = this.#intake.close(graceMs)
    this.#jobs.giveBack()
    const running = [...this.#intake.deliveries].reduce((sum, { open }) => sum + open.length, 0)
    if (running > 0) this.#settings.log(`finishes ${running} ${running === 1 ? 'task' : 'tasks'}`)
    await ended
    this.#jobs.giveUp()
    for (const replyTo of this.#jobs.replyQueues) this.#replies.send(replyTo, { type: 'leaving' })
    this.#replies.flush()
    this.#jobs.close()
    // It would end by itself, in a minute.
    await this.#link.deleteQueue(workerQueue(this.#settings.namespace, this.id))
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

  async #control(message: ConsumeMessage) {
    const { replyTo, type } = message.properties
    if (type === HELLO) return this.#hearHello(otherProtocol(message.content), replyTo)
    try {
      for (const { message: said, payload } of await this.#reader.read(message))
        this.#obey(said, payload, { replyTo, routingKey: message.fields.routingKey })
    } catch (error) {
      this.#settings.log(messageOf(error))
    }
  }

  /** A script looks for workers, and has found none: it may be of another version. */
  #hearHello(protocol: number | undefined, replyTo: string | undefined) {
    if (protocol === undefined || typeof replyTo !== 'string') return
    const found = `it speaks protocol ${protocol}, this worker ${PROTOCOL}`
    this.#settings.say(
      `a script has another version of @pymar/core (${found}), and its tasks do not come here: install the same on both sides`,
    )
    this.#link.publisher.publish('', replyTo, hello(), { type: HELLO, appId: this.#id }, () => {})
  }

  #obey(message: ControlMessage, payload: Uint8Array | undefined, { replyTo, routingKey }: Envelope) {
    switch (message.type) {
      case 'who':
        if (message.quorum)
          for (const { queue } of this.served) if (routingKey === toWorkersOf(queue).key) void this.#intake.takeReplica(queue)
        if (replyTo) this.#tellWho(replyTo)
        return
      case 'stop':
        return this.#jobs.stop(message.job)
      case 'stop-task':
        return this.#jobs.stopTask(message.job, message.index, message.attempt)
      case 'data':
        return this.#fetches.came(message, payload)
    }
  }

  #tellWho(replyTo: string) {
    const { slots } = this.#settings.pool.settings
    const deliveries = [...this.#intake.deliveries]
    const holds = deliveries.flatMap(({ message: { job }, open }) =>
      open.map(([index, attempt]) => [job, index, attempt, this.#jobs.isRunning(job, index, attempt) ? 1 : 0] as const),
    )
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
}
