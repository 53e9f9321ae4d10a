import { messageOf, PymarError } from '../errors.ts'
import type { ServedProducer } from '../options.ts'
import { clearInterval, setInterval, withLimit } from '../timers.ts'
import { type Channel, type ConsumeMessage, unlessClosing } from '../transport/amqp-session.ts'
import { MuteQueue } from '../transport/mute-queue.ts'
import { decompressSync } from '../wire/compress.ts'
import { unpack } from '../wire/frame.ts'
import { hasReplicas, queueOptions, replicaOf } from '../wire/names.ts'
import { type MarkerMessage, type PartitionsMessage, readMessage, TASK_MESSAGES, type TaskMessage } from '../wire/protocol.ts'
import type { Delivery } from './delivery.ts'
import { HeldDeliveries, type HeldDeliveriesSettings } from './held-deliveries.ts'
import { LeftAlone } from './left-alone.ts'
import { Starvation } from './starvation.ts'

export interface IntakeSettings extends Omit<HeldDeliveriesSettings, 'ended'> {
  readonly served: readonly ServedProducer[]
  /** Messages that are held at once, over all queues. */
  readonly credit: number
  take(delivery: Delivery): void
  /** A marker came. */
  came(marker: MarkerMessage, replyTo: string): void
  /** A queue was taken away, or does not answer. */
  cancelled(): void
  /** Declares a queue. Says why that cannot be done now, where its machine is away. @throws {Error} If it is refused. */
  declare(queue: string): Promise<string | undefined>
  /** Asks a queue something. @throws {MuteQueue} If it does not answer, though the broker does. */
  ask<T>(queue: string, question: () => Promise<T>): Promise<T>
  /** How many messages wait in a queue. */
  waiting(queue: string): Promise<number>
  log(line: string): void
  say(line: string): void
}

/** A broker that is short of memory may answer nothing for as long as that lasts: a worker that leaves waits for so many milliseconds. */
const CANCEL_LIMIT_MS = 2000
/** A queue whose machine is away is left alone for so many milliseconds. */
const AWAY_MS = 5000

/**
 * Takes messages from the task queues, never more than the credit, and acknowledges each when its tasks are answered.
 *
 * `basic.qos` limits each consumer by itself, so where several queues have tasks, or messages were acknowledged early, more would
 * come: then what is too much goes back, and nothing is consumed until half of what is held is done; then the next queue is first.
 */
export class Intake {
  readonly #settings: IntakeSettings
  readonly #held: HeldDeliveries
  #channel: Channel | undefined
  #queues: readonly ServedProducer[]
  /** What the broker calls the consumers, by queue. */
  readonly #tags = new Map<string, string>()
  readonly #leftAlone: LeftAlone
  readonly #starvation: Starvation
  #received = 0
  #wanted = false
  #closing = false
  /** Consumers are added and cancelled one turn after the other. */
  #turn: Promise<void> = Promise.resolve()
  #emptied: (() => void) | undefined

  constructor(settings: IntakeSettings) {
    this.#settings = settings
    this.#queues = settings.served
    this.#held = new HeldDeliveries({ ...settings, ended: () => this.#ended() })
    this.#starvation = new Starvation({
      queues: () => [...this.#tags.keys()].filter(hasReplicas),
      isIdle: () => this.#wanted && this.#held.isEmpty,
      received: () => this.#received,
      waiting: settings.waiting,
      starved: (queue) => {
        settings.log(`queue ${queue} has tasks and gives none; connects again`)
        settings.cancelled()
      },
    })
    this.#leftAlone = new LeftAlone(settings.say, () => void this.#adjust())
  }

  get deliveries(): Iterable<Delivery> {
    return this.#held
  }

  /** Begins to take messages, on a new connection. */
  async open(channel: Channel, purge: boolean): Promise<void> {
    this.#lost()
    this.#channel = channel
    channel.once('close', () => this.#lost(channel))
    await channel.prefetch(this.#settings.credit)
    for (const { queue } of purge ? this.#queues : []) {
      await channel.assertQueue(queue, queueOptions(queue, 'tasks'))
      const { messageCount } = await channel.purgeQueue(queue)
      this.#settings.say(`removed ${messageCount} ${messageCount === 1 ? 'message' : 'messages'} of tasks from ${queue}`)
    }
    this.#wanted = !this.#closing
    await this.#turnOver()
  }

  /** Takes tasks from the queue with replicas beside this one too. */
  takeReplica(queue: string): Promise<void> {
    const replica = replicaOf(queue)
    const plain = this.#settings.served.find((served) => served.queue === queue)
    if (plain && !this.#queues.some((served) => served.queue === replica)) this.#queues = [...this.#queues, { ...plain, queue: replica }]
    return this.#adjust()
  }

  /** Takes nothing more. Resolves when nothing is held, or after `graceMs` milliseconds. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true
    this.#wanted = false
    this.#starvation.close()
    // What a broker that does not answer still gives goes back.
    await withLimit(this.#adjust(), CANCEL_LIMIT_MS, 'the broker does not answer').catch(() => {})
    if (!this.#held.isEmpty) {
      const late = setInterval(() => this.#emptied?.(), graceMs + 1)
      await new Promise<void>((emptied) => {
        this.#emptied = emptied
      })
      clearInterval(late)
    }
    this.#held.close()
  }

  /** The broker is to give it to somebody else. */
  giveBack(delivery: Delivery): void {
    this.#held.giveBack(delivery)
  }

  #lost(channel = this.#channel) {
    if (channel !== this.#channel) return
    this.#channel = undefined
    this.#tags.clear()
    this.#held.lost()
  }

  /** Consumes, or does not, as it is wanted now. A channel that closes meanwhile takes its consumers with it. */
  #adjust(): Promise<void> {
    return this.#turnOver().catch(() => {})
  }

  /** @throws {Error} Why tasks cannot be taken. */
  #turnOver(): Promise<void> {
    let channel: Channel | undefined
    const turned = this.#turn.then(() => {
      channel = this.#channel
      return this.#wanted ? this.#consumeAll() : this.#cancelAll()
    })
    this.#turn = turned.catch((error) => {
      if (error instanceof MuteQueue && error.againMs > 0) this.#leftAlone.add(error.queue, error.message, error.againMs)
      else this.#settings.log(`cannot take tasks now: ${messageOf(error)}`)
      // What it has asked for may be answered yet, and would not be known.
      if (channel === this.#channel && !this.#closing) this.#settings.cancelled()
    })
    return turned
  }

  async #cancelAll() {
    for (const [queue, tag] of [...this.#tags]) {
      this.#tags.delete(queue)
      const channel = this.#channel
      if (channel) await this.#settings.ask(queue, () => channel.cancel(tag))
    }
  }

  async #consumeAll() {
    const channel = this.#channel
    if (!channel) return
    const missing = this.#queues.filter(({ queue }) => !this.#tags.has(queue) && !this.#leftAlone.has(queue))
    // Those that may be mute last: they keep the others waiting.
    for (const served of missing.sort((a, b) => Number(hasReplicas(a.queue)) - Number(hasReplicas(b.queue)))) {
      const { queue } = served
      const { tag, away } = await this.#settings.ask(queue, () => this.#consumeOne(channel, served))
      if (channel !== this.#channel) return
      if (away !== undefined) this.#leftAlone.add(queue, away, AWAY_MS)
      if (tag === undefined) continue
      this.#leftAlone.delete(queue)
      this.#tags.set(queue, tag)
    }
    // The next time another one is first.
    const [first, ...others] = this.#queues
    if (first && missing.length > 0) this.#queues = [...others, first]
  }

  /** @returns The consumer's tag, or why there is none now. */
  async #consumeOne(channel: Channel, served: ServedProducer): Promise<{ tag?: string; away?: string }> {
    // It may have ended while nobody consumed it.
    const away = await this.#settings.declare(served.queue)
    if (away !== undefined) return { away }
    return channel === this.#channel ? { tag: await this.#consume(channel, served) } : {}
  }

  async #consume(channel: Channel, { producer, queue }: ServedProducer): Promise<string> {
    const { consumerTag } = await channel.consume(queue, (message) => {
      if (!message) return this.#settings.cancelled()
      if (this.#channel !== channel) return
      if (this.#wanted && this.#held.size < this.#settings.credit) return this.#receive(message, channel, producer)
      unlessClosing(() => channel.nack(message, false, true))
      this.#wanted = false
      void this.#adjust()
    })
    return consumerTag
  }

  #receive(message: ConsumeMessage, channel: Channel, producer: string) {
    this.#received++
    const acknowledge = () => unlessClosing(() => channel.ack(message))
    const read = readable(message, this.#settings.log)
    if (!read) return acknowledge()
    const { said, payload, replyTo } = read
    if (said.type === 'marker') {
      // If its producer's process does not hear of it, that sends another one.
      acknowledge()
      return this.#settings.came(said, replyTo)
    }
    const { redelivered } = message.fields
    this.#settings.take(this.#held.add({ channel, message }, { message: said, payload, producer, replyTo, redelivered }))
  }

  #ended() {
    if (this.#held.isEmpty) this.#emptied?.()
    const { credit } = this.#settings
    if (this.#wanted || this.#closing || this.#held.size > credit / 2) return
    this.#wanted = true
    void this.#adjust()
  }
}

interface Read {
  readonly said: PartitionsMessage | MarkerMessage
  readonly payload: Uint8Array
  readonly replyTo: string
}

/** Undefined, if it is nothing for this worker. @param log Told why. */
function readable({ content, properties }: ConsumeMessage, log: (line: string) => void): Read | undefined {
  const { replyTo, contentEncoding } = properties
  try {
    const [parcel] = unpack(contentEncoding === undefined ? content : decompressSync(content))
    const said = readMessage<TaskMessage>(parcel?.message, TASK_MESSAGES)
    if (said.type !== 'partitions' && said.type !== 'marker') throw unreadable(`there is no ${said.type} here`)
    if (typeof replyTo !== 'string') throw unreadable('it does not say where its answer goes')
    return { said, payload: parcel?.payload ?? new Uint8Array(0), replyTo }
  } catch (error) {
    log(messageOf(error))
    return undefined
  }
}

function unreadable(found: string): PymarError {
  return new PymarError('INVALID_ARGUMENT', `Cannot read a task: ${found}`)
}
