import { messageOf } from '../errors.ts'
import { keepAlive, withLimit } from '../timers.ts'
import type { Link } from './amqp-link.ts'
import type { Channel, QueueOptions } from './amqp-session.ts'
import { soon } from './amqp-socket.ts'

export interface QueueState {
  /** Messages that wait there. */
  readonly messageCount: number
  readonly consumerCount: number
}

/** Milliseconds for an answer about a queue: a broker that has just been started may never give it for one with replicas (seen on 3.10). */
const ANSWER_LIMIT_MS = 10_000
export const NO_ANSWER = 'the broker does not answer'
/** What a broker says of a queue that is not there for us: nobody's, or somebody's alone. */
const NOT_OURS = /NOT[-_]FOUND|RESOURCE[-_]LOCKED|ACCESS[-_]REFUSED/

/**
 * Asks for queues over the connection of a link, and declares and deletes them.
 *
 * The broker closes a channel over which it refuses something, as to tell of a queue that is not there. So each question has one of its own.
 */
export class Queues {
  readonly #link: Link

  constructor(link: Link) {
    this.#link = link
  }

  /** A channel for what must not disturb the others. @throws {Error} If there is no connection. */
  async channel(): Promise<Channel> {
    const { session } = this.#link
    if (!session) throw new Error('there is no connection')
    const channel = await session.model.createChannel()
    channel.on('error', () => {})
    return channel
  }

  /** A queue's state, or undefined if there is no such queue. @throws {Error} If there is no connection, or no answer. */
  async find(queue: string): Promise<QueueState | undefined> {
    return this.#ask<QueueState | undefined>((channel) =>
      channel.checkQueue(queue).catch((error) => {
        if (NOT_OURS.test(messageOf(error))) return undefined
        throw error
      }),
    )
  }

  /** How many consumers a queue has, as {@link find} does. */
  async consumersOf(queue: string): Promise<number | undefined> {
    return (await this.find(queue))?.consumerCount
  }

  /** How many messages wait in a queue, as {@link find} does: none, where there is no such queue. */
  async waitingIn(queue: string): Promise<number> {
    return (await this.find(queue))?.messageCount ?? 0
  }

  /** Declares a queue, and gives its state. @throws {Error} If the broker refuses that, or there is no connection, or no answer. */
  declare(queue: string, options: QueueOptions): Promise<QueueState> {
    return this.#ask((channel) => channel.assertQueue(queue, options))
  }

  /** Deletes a queue that would end by itself, if that can be done soon. */
  async delete(queue: string): Promise<void> {
    const deleted = this.#link.session?.channel.deleteQueue(queue).catch(() => {})
    if (deleted) await keepAlive(soon(deleted))
  }

  async #ask<Answer>(question: (channel: Channel) => Promise<Answer>): Promise<Answer> {
    const channel = await this.channel()
    try {
      return await withLimit(question(channel), ANSWER_LIMIT_MS, NO_ANSWER)
    } finally {
      // Not waited for: amqplib never says so if the connection goes meanwhile.
      channel.close().catch(() => {})
    }
  }
}
