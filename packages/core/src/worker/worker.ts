import { messageOf, type PymarError } from '../errors.ts'
import type { JobFileAt } from '../job/job-file.ts'
import type { ExportedClass } from '../job/load.ts'
import type { ServedProducer } from '../options.ts'
import type { SlotPool } from '../slot/pool.ts'
import { outputEnded } from '../slot/prefix-output.ts'
import { keepAlive } from '../timers.ts'
import { Link, type LinkOwner, type LinkSettings } from '../transport/amqp-link.ts'
import type { Message, Session } from '../transport/amqp-session.ts'
import { denialOf } from '../transport/broker-error.ts'
import { MuteQueues } from '../transport/mute-queue.ts'
import { fingerprintOf, queueOptions, replicaOf, taskQueue, toWorkersOf } from '../wire/names.ts'
import type { ControlMessage } from '../wire/protocol.ts'
import type { Delivery } from './delivery.ts'
import { Fetches } from './fetches.ts'
import { HeldJobs } from './held-jobs.ts'
import { Intake } from './intake.ts'
import { type Envelope, OwnQueue } from './own-queue.ts'
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

/** Takes tasks from a broker, and has its slots compute them. */
export class Worker implements LinkOwner {
  readonly served: readonly ServedProducer[]
  readonly #settings: WorkerSettings
  readonly #link: Link
  readonly #own: OwnQueue
  readonly #replies: Replies
  readonly #intake: Intake
  readonly #presence: Presence
  readonly #fetches: Fetches
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
    this.#own = new OwnQueue({
      link: this.#link,
      namespace,
      served: this.served,
      obey: (message, payload, envelope) => this.#obey(message, payload, envelope),
      log,
      say,
    })
    this.#replies = new Replies(this.#link, () => this.id, say)
    this.#fetches = new Fetches((replyTo, wanted) => this.#replies.send(replyTo, { type: 'fetch', ...wanted }))
    const mute = new MuteQueues(this.#link, say)
    this.#intake = new Intake({
      served: this.served,
      credit: this.#credit,
      ackTimeoutMs,
      log,
      say,
      take: (delivery) => this.#jobs.take(delivery),
      came: ({ job, marker }, replyTo) => this.#replies.send(replyTo, { type: 'came', job, marker }),
      holding: (delivery, known) => this.#tellHolding(delivery, known),
      cancelled: () => this.#link.restart(),
      declare: (queue) => this.#declare(queue),
      waiting: (queue) => this.#link.queues.waitingIn(queue),
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
      consumersOf: (queue) => this.#link.queues.consumersOf(queue),
      inUse: () => [...Array.from(this.#intake.deliveries, ({ replyTo }) => replyTo), ...this.#jobs.replyQueues],
      there: (replyTo) => this.#jobs.there(replyTo),
      unheard: (replyTo) => this.#jobs.unheard(replyTo),
      gone: (replyTo, isMissing) => (isMissing ? this.#jobs.gone(replyTo) : this.#jobs.left(replyTo)),
    })
  }

  get id(): string {
    return this.#own.id
  }

  get #credit(): number {
    return this.#settings.pool.settings.slots * (1 + AHEAD_PER_SLOT)
  }

  start(): Promise<void> {
    return this.#link.open()
  }

  async setup({ channel }: Session): Promise<void> {
    if (this.#connectedBefore) this.#presence.returned()
    await this.#own.open(channel)
    await this.#intake.open(channel, this.#settings.purge && !this.#connectedBefore)
    for (const { queue } of this.served)
      if ((await this.#link.queues.consumersOf(replicaOf(queue))) !== undefined) await this.#intake.takeReplica(queue)
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
      await this.#link.queues.declare(queue, queueOptions(queue, 'tasks'))
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
  waiting(error: PymarError, isRefused: boolean): void {
    // Where it is what this worker publishes, a connection is no reason to say that all is well.
    this.#isWaiting = !isRefused
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
    const { running } = this.#jobs
    if (running > 0) this.#settings.log(`finishes ${running} ${running === 1 ? 'task' : 'tasks'}`)
    await ended
    this.#jobs.giveUp()
    for (const replyTo of this.#jobs.replyQueues) this.#replies.send(replyTo, { type: 'leaving' })
    this.#replies.flush()
    this.#jobs.close()
    await this.#own.delete()
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
