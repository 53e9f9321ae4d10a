import { clearInterval, setInterval } from '../timers.ts'
import type { Link } from './amqp-link.ts'
import { hasUnsent } from './amqp-socket.ts'
import { Heard } from './heard.ts'

/** How often it is looked, in milliseconds. */
const LOOK_MS = 1000

/**
 * Watches what the broker says of messages that were published to queues with replicas, and makes another connection where that may help.
 *
 * After the election of a leader RabbitMQ may refuse all that a channel publishes to such a queue, for as long as there is that channel; what another
 * connection publishes there it takes (seen on 3.10, in a cluster of three of which one is killed).
 */
export class Confirms {
  readonly #link: Link
  readonly #heard = new Map<string, Heard>()
  #session: Link['session']
  #timer: NodeJS.Timeout | undefined

  constructor(link: Link) {
    this.#link = link
  }

  /** A message was published. @returns To be called when it is known what became of it; with nothing, if that cannot be known any more. */
  published(queue: string): (said?: 'taken' | 'refused') => void {
    this.#notice()
    const heard = this.#heard.get(queue) ?? new Heard()
    this.#heard.set(queue, heard)
    heard.published()
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref()
    return (said) => heard.said(said)
  }

  /** What an earlier connection was told does not count for this one. */
  #notice() {
    if (this.#session === this.#link.session) return
    this.#session = this.#link.session
    for (const heard of this.#heard.values()) heard.beginAnew()
  }

  #look() {
    this.#notice()
    const { session, isBlocked } = this.#link
    const isKept = isBlocked || !session || hasUnsent(session.model.connection)
    let isStuck = false
    for (const [queue, heard] of this.#heard) {
      if (heard.look(isKept)) isStuck = true
      if (heard.isOver) this.#heard.delete(queue)
    }
    if (isStuck) this.#link.restart()
    if (this.#heard.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
