import type { Clock } from '../timers.ts'

/** One limit in time for each of many things: those that began first run out first, so one timer serves all. */
export class Deadlines<Key> {
  readonly #limitMs: number
  readonly #expired: (key: Key) => void
  readonly #clock: Clock
  readonly #ends = new Map<Key, number>()
  #timer: unknown

  constructor(limitMs: number, clock: Clock, expired: (key: Key) => void) {
    this.#limitMs = limitMs
    this.#clock = clock
    this.#expired = expired
  }

  begin(key: Key): void {
    this.#ends.set(key, this.#clock.now() + this.#limitMs)
    this.#timer ??= this.#clock.setTimeout(() => this.#check(), this.#limitMs)
  }

  end(key: Key): void {
    this.#ends.delete(key)
  }

  close(): void {
    this.#ends.clear()
    this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #check() {
    this.#timer = undefined
    const time = this.#clock.now()
    const expired: Key[] = []
    for (const [key, end] of this.#ends) {
      if (end > time) {
        this.#timer = this.#clock.setTimeout(() => this.#check(), end - time)
        break
      }
      expired.push(key)
    }
    // Not before: what is told may begin something new.
    for (const key of expired) if (this.#ends.delete(key)) this.#expired(key)
  }
}
