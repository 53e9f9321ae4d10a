import { clearInterval, setInterval } from '../timers.ts'

/** How often it is looked, in milliseconds. */
const LOOK_MS = 5000

export interface StarvationSettings {
  /** Queues with replicas that are consumed. */
  queues(): Iterable<string>
  /** Whether the worker would take something. */
  isIdle(): boolean
  /** How many messages have come, in all. */
  received(): number
  /** How many messages wait there. */
  waiting(queue: string): Promise<number>
  /** It has something, and gives nothing. */
  starved(queue: string): void
}

/**
 * Finds queues with replicas that have messages and give none to a worker that would take some: twice in a row, with nothing that came in between.
 * Seen on RabbitMQ 3.10, after such a queue was deleted and declared anew; who consumes it over another connection gets them.
 */
export class Starvation {
  readonly #settings: StarvationSettings
  /** Queues that had messages at the last look, with how many had come until then. */
  readonly #seen = new Map<string, number>()
  #looking = false
  readonly #timer = setInterval(() => void this.#lookOnce(), LOOK_MS).unref()

  constructor(settings: StarvationSettings) {
    this.#settings = settings
  }

  close(): void {
    clearInterval(this.#timer)
  }

  async #lookOnce() {
    if (this.#looking) return
    this.#looking = true
    for (const queue of [...this.#settings.queues()]) await this.#look(queue)
    this.#looking = false
  }

  async #look(queue: string) {
    const { isIdle, received, waiting, starved } = this.#settings
    const before = received()
    // Without an answer nothing is known.
    const found = isIdle() ? await waiting(queue).catch(() => 0) : 0
    const isStarved = this.#seen.get(queue) === before
    this.#seen.delete(queue)
    if (found === 0 || !isIdle() || received() !== before) return
    if (isStarved) starved(queue)
    else this.#seen.set(queue, before)
  }
}
