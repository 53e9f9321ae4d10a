import type { Clock } from '../../packages/core/dist/timers.js'

interface Timer {
  readonly at: number
  readonly order: number
  readonly then: () => void
  cleared: boolean
}

/** Time that passes only when somebody lets it: from one timer to the next, with nothing in between. */
export class VirtualClock implements Clock {
  #now = 0
  #order = 0
  /** A heap: the next one first. */
  readonly #timers: Timer[] = []

  now(): number {
    return this.#now
  }

  setTimeout(then: () => void, ms: number): Timer {
    const timer: Timer = { at: this.#now + Math.max(0, ms), order: this.#order++, then, cleared: false }
    this.#timers.push(timer)
    for (let i = this.#timers.length - 1; i > 0; ) {
      const parent = (i - 1) >> 1
      if (!this.#isBefore(i, parent)) break
      this.#swap(i, parent)
      i = parent
    }
    return timer
  }

  clearTimeout(timer: unknown): void {
    if (timer) (timer as Timer).cleared = true
  }

  /** Lets time pass up to the next timer, and runs it. @returns Whether there was one. */
  step(): boolean {
    const [next] = this.#timers
    if (!next) return false
    const last = this.#timers.pop() as Timer
    if (this.#timers.length > 0) {
      this.#timers[0] = last
      this.#sink()
    }
    this.#now = next.at
    if (!next.cleared) next.then()
    return true
  }

  #sink() {
    for (let i = 0; ; ) {
      let least = i
      for (const child of [2 * i + 1, 2 * i + 2]) if (child < this.#timers.length && this.#isBefore(child, least)) least = child
      if (least === i) return
      this.#swap(i, least)
      i = least
    }
  }

  #isBefore(i: number, j: number): boolean {
    const [a, b] = [this.#timers[i] as Timer, this.#timers[j] as Timer]
    return a.at < b.at || (a.at === b.at && a.order < b.order)
  }

  #swap(i: number, j: number) {
    const timer = this.#timers[i] as Timer
    this.#timers[i] = this.#timers[j] as Timer
    this.#timers[j] = timer
  }
}
