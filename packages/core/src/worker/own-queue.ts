import { hostname } from 'node:os'
import { messageOf } from '../errors.ts'
import type { ServedProducer } from '../options.ts'
import type { Link } from '../transport/amqp-link.ts'
import type { Channel, ConsumeMessage } from '../transport/amqp-session.ts'
import { Reader } from '../transport/reader.ts'
import { HELLO, hello, otherProtocol } from '../wire/hello.ts'
import { queueOptions, toAllVersions, toNamesakes, toWorkersOf, workerQueue } from '../wire/names.ts'
import { CONTROL_MESSAGES, type ControlMessage, PROTOCOL } from '../wire/protocol.ts'

/** What a message from the broker says of itself. */
export interface Envelope {
  readonly replyTo: string | undefined
  readonly routingKey: string
}

export interface OwnQueueSettings {
  readonly link: Link
  readonly namespace: string
  readonly served: readonly ServedProducer[]
  obey(message: ControlMessage, payload: Uint8Array | undefined, envelope: Envelope): void
  log(line: string): void
  say(line: string): void
}

function newId(): string {
  return `${hostname().replace(/[^\w.-]/g, '-')}:${process.pid}:${Math.floor(Math.random() * 2 ** 32).toString(36)}`
}

/** Where a worker hears what producers' processes say to it, to all workers of a task queue, and to all that have a producer of some name. */
export class OwnQueue {
  readonly #settings: OwnQueueSettings
  readonly #reader = new Reader<ControlMessage>(CONTROL_MESSAGES)
  #id = newId()

  constructor(settings: OwnQueueSettings) {
    this.#settings = settings
  }

  /** The worker's, after which the queue is called. */
  get id(): string {
    return this.#id
  }

  /** Begins to hear, on a new connection. */
  async open(channel: Channel): Promise<void> {
    const { namespace, served, link } = this.#settings
    const own = workerQueue(namespace, this.#id)
    await channel.assertQueue(own, queueOptions(own, 'process')).catch((error) => {
      // In a cluster it may be on a machine that is gone; then nobody may declare it, and another name does.
      if (/NOT[-_]FOUND/.test(messageOf(error))) this.#id = newId()
      throw error
    })
    for (const { producer, queue } of served) {
      const addresses = [toNamesakes(namespace, producer), toAllVersions(namespace, producer), toWorkersOf(queue)]
      for (const { exchange, key } of addresses) await channel.bindQueue(own, exchange, key)
    }
    await channel.consume(own, (message) => (message ? void this.#hear(message) : link.restart()), { noAck: true })
  }

  /** It would end by itself, in a minute. */
  delete(): Promise<void> {
    const { link, namespace } = this.#settings
    return link.queues.delete(workerQueue(namespace, this.#id))
  }

  async #hear(message: ConsumeMessage) {
    const { replyTo, type } = message.properties
    if (type === HELLO) return this.#hearHello(otherProtocol(message.content), replyTo)
    try {
      for (const { message: said, payload } of await this.#reader.read(message))
        this.#settings.obey(said, payload, { replyTo, routingKey: message.fields.routingKey })
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
    this.#settings.link.publisher.publish('', replyTo, hello(), { type: HELLO, appId: this.#id }, () => {})
  }
}
