import { clearInterval, setInterval } from '../timers.ts'
import type { Link } from './amqp-link.ts'
import { hasUnsent } from './amqp-socket.ts'

/** How often it is looked, in milliseconds. */
const LOOK_MS = 1000
/** So many looks in a row that find nothing taken: of a queue that refuses what it is given, and of one of which nothing is heard. */
const REFUSED_LOOKS = 3
const SILENT_LOOKS = 10
/** Where another connection does not help either, the next one is given so many times as long, up to so many times. */
const LONGER = 2
const MOST_PATIENCE = 16

/** What was heard of a queue. */
class Heard {
  /** Messages of which it is not known that the broker has them. */
  #waiting = 0
  /** What it has said, unless it has taken nothing and refused nothing. */
  #last: 'taken' | 'refused' | undefined
  /** Looks in a row that found nothing taken. They are counted and not time, since a process that was busy hears only afterwards. */
  #looks = 0
  #patience = 1

  /** Whether nothing is to be heard of it. */
  get isIdle(): boolean {
    return this.#waiting === 0 && this.#last !== 'refused'
  }

  published(): void {
    if (this.isIdle) this.#looks = 0
    this.#waiting++
  }

  said(what: 'taken' | 'refused' | undefined): void {
    this.#waiting--
    if (what === 'refused' && this.#last !== 'refused') this.#looks = 0
    this.#last = what ?? this.#last
  }

  /** Another connection is another try. */
  beginAnew(): void {
    this.#last = undefined
    this.#looks = 0
  }

  /** @param isKept Whether it may be this side that keeps what it has not heard of. @returns Whether nothing was taken for so long that another connection is to be made. */
  look(isKept: boolean): boolean {
    if (this.#last === 'taken') {
      this.beginAnew()
      this.#patience = 1
      return false
    }
    const isRefused = this.#last === 'refused'
    this.#looks = isKept && this.#waiting > 0 && !isRefused ? 0 : this.#looks + 1
    if (this.isIdle || this.#looks < (isRefused ? REFUSED_LOOKS : SILENT_LOOKS) * this.#patience) return false
    this.#patience = Math.min(MOST_PATIENCE, this.#patience * LONGER)
    this.beginAnew()
    return true
  }

  /** Whether it may be forgotten. */
  get isOver(): boolean {
    return this.isIdle && this.#looks >= SILENT_LOOKS * this.#patience
  }
}

/**
 * What the broker says of messages that were published to queues with replicas.
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
