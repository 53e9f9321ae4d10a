import { clearInterval, setInterval } from '../timers.ts'

/** How often it is looked, in milliseconds. */
const LOOK_MS = 1000
/** So many looks in a row that find nothing taken: of a queue that refuses what it is given, and of one of which nothing is heard. */
const REFUSED_LOOKS = 3
const SILENT_LOOKS = 10
/** Where another connection does not help either, the next one is given so many times as long, up to so many times. */
const LONGER = 2
const MOST_PATIENCE = 16

/** What was heard of a queue. */
interface Heard {
  /** Messages of which it is not known that the broker has them. */
  waiting: number
  /** What it has said since the last look. */
  last: 'taken' | 'refused' | undefined
  /** Looks in a row that found nothing taken. They are counted and not time, since a process that was busy hears only afterwards. */
  looks: number
  patience: number
}

/**
 * What the broker says of messages that were published to queues with replicas.
 *
 * After the election of a leader RabbitMQ may refuse all that a channel publishes to such a queue, for as long as there is that channel; what another
 * connection publishes there it takes (seen on 3.10, in a cluster of three of which one is killed).
 */
export class Confirms {
  readonly #isBlocked: () => boolean
  readonly #stuck: () => void
  readonly #heard = new Map<string, Heard>()
  #timer: NodeJS.Timeout | undefined

  /**
   * @param isBlocked Whether the broker says that it takes nothing now.
   * @param stuck Called when a queue has taken nothing for long: another connection is to be made.
   */
  constructor(isBlocked: () => boolean, stuck: () => void) {
    this.#isBlocked = isBlocked
    this.#stuck = stuck
  }

  /** A message was published. @returns To be called when it is known what became of it; with nothing, if that cannot be known any more. */
  published(queue: string): (said?: 'taken' | 'refused') => void {
    const heard = this.#heard.get(queue) ?? { waiting: 0, last: undefined, looks: 0, patience: 1 }
    this.#heard.set(queue, heard)
    heard.waiting++
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref()
    return (said) => {
      heard.waiting--
      heard.last = said ?? heard.last
    }
  }

  #look() {
    const stuck = [...this.#heard].filter(([queue, heard]) => this.#isStuck(queue, heard))
    if (stuck.length > 0) this.#stuck()
    if (this.#heard.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #isStuck(queue: string, heard: Heard): boolean {
    const isRefused = heard.last === 'refused'
    if (heard.last === 'taken') Object.assign(heard, { last: undefined, looks: 0, patience: 1 })
    else heard.looks = this.#isBlocked() ? 0 : heard.looks + 1
    if (heard.looks < (isRefused ? REFUSED_LOOKS : SILENT_LOOKS) * heard.patience) return false
    if (heard.waiting === 0 && !isRefused) {
      // Nobody has published anything there for a while.
      this.#heard.delete(queue)
      return false
    }
    Object.assign(heard, { last: undefined, looks: 0, patience: Math.min(MOST_PATIENCE, heard.patience * LONGER) })
    return true
  }
}
