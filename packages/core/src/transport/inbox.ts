import { messageOf } from '../errors.ts'
import { setTimeout } from '../timers.ts'
import { HELLO, otherProtocol } from '../wire/hello.ts'
import { REPLY_MESSAGES, type ReplyMessage } from '../wire/protocol.ts'
import { type Channel, type ConsumeMessage, type QueueOptions, unlessClosing } from './amqp-session.ts'
import { Reader } from './reader.ts'

export interface InboxEvents {
  /** A worker has said something. */
  told(message: ReplyMessage, payload: Uint8Array | undefined, worker: string): void
  /** There is a worker that speaks another protocol. */
  otherVersion(worker: string, protocol: number): void
  /** The queue was taken away. */
  cancelled(): void
}

/** Milliseconds in which what was heard is acknowledged together. */
const HEARD_MS = 5

/** A reply queue, as its process hears it. */
export class Inbox {
  readonly #queue: string
  readonly #events: InboxEvents
  readonly #reader = new Reader<ReplyMessage>(REPLY_MESSAGES)
  #channel: Channel | undefined
  /** The latest of the messages that are to be acknowledged. */
  #heard: ConsumeMessage | undefined

  constructor(queue: string, events: InboxEvents) {
    this.#queue = queue
    this.#events = events
  }

  /** Hears what comes over this channel, until it is lost. */
  async consume(channel: Channel, options: QueueOptions): Promise<void> {
    this.#channel = channel
    this.#heard = undefined
    await channel.assertQueue(this.#queue, options)
    await channel.consume(this.#queue, (message) => {
      if (!message) return this.#events.cancelled()
      // One acknowledgement for all that comes in a while: nothing waits for it, and each costs as much as a task.
      if (!this.#heard) setTimeout(() => this.#acknowledge(channel), HEARD_MS).unref()
      this.#heard = message
      void this.#hear(message)
    })
  }

  lost(): void {
    this.#channel = undefined
    this.#heard = undefined
  }

  #acknowledge(channel: Channel) {
    const message = this.#heard
    if (channel !== this.#channel) return
    this.#heard = undefined
    if (message) unlessClosing(() => channel.ack(message, true))
  }

  async #hear(message: ConsumeMessage) {
    const { appId, type } = message.properties
    const worker = String(appId)
    if (type === HELLO) {
      const protocol = otherProtocol(message.content)
      if (protocol !== undefined) this.#events.otherVersion(worker, protocol)
      return
    }
    try {
      for (const { message: said, payload } of await this.#reader.read(message)) this.#events.told(said, payload, worker)
    } catch (error) {
      process.emitWarning(messageOf(error), 'PymarWarning')
    }
  }
}
