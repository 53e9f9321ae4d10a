import type { Clock } from '../timers.ts'

export interface StragglersSettings {
  readonly clock: Clock
  /** How many copies would begin at once if they were sent now: none, while there is anything else to send. */
  room(): number
  /** Whether enough partitions are done for the others to be measured by them. */
  isNearEnd(): boolean
}

/** How often it is looked, in milliseconds. */
const LOOK_MS = 250
/** Attempts that have run for less, in milliseconds, are not worth a copy. */
const LEAST_MS = 1000
/** Times the median that an attempt may run. Partitions of equal size differ by their content and by what else a machine does; by more it is something wrong. */
const PATIENCE = 3
/** Attempts whose times are remembered. */
const REMEMBERED = 1000

/**
 * Finds attempts that run much longer than others did, when there is nothing left to send: a machine that swaps, a slot that is stopped, a
 * partition that was unlucky. Somewhere else it may be done sooner.
 */
export class Stragglers<Key> {
  readonly #settings: StragglersSettings
  readonly #copy: (key: Key) => void
  /** Since when each runs, in that order. */
  readonly #running = new Map<Key, number>()
  /** Those of them that have, or had, a copy. */
  readonly #copied = new Set<Key>()
  readonly #times: number[] = []
  /** Undefined where there are times that it does not count. */
  #medianMs: number | undefined
  #next = 0
  #timer: unknown

  /** @param copy Called for each that is to be computed a second time, once. */
  constructor(settings: StragglersSettings, copy: (key: Key) => void) {
    this.#settings = settings
    this.#copy = copy
  }

  began(key: Key): void {
    this.#running.set(key, this.#settings.clock.now())
    this.watch()
  }

  /** It has ended, however, or nobody waits for it any more. */
  ended(key: Key): void {
    this.#running.delete(key)
    this.#copied.delete(key)
  }

  /** It was the first that gave the answer. One that was never said to run was too short for that. */
  counted(key: Key): void {
    const since = this.#running.get(key)
    this.#times[this.#next] = since === undefined ? 0 : this.#settings.clock.now() - since
    this.#next = (this.#next + 1) % REMEMBERED
    this.#medianMs = undefined
    this.ended(key)
  }

  /** There is nothing to send: looks for some until that changes, or all is done. */
  watch(): void {
    if (this.#timer !== undefined || this.#running.size === 0 || !this.#settings.isNearEnd()) return
    this.#timer = this.#settings.clock.setTimeout(() => this.#look(), LOOK_MS)
  }

  close(): void {
    this.#settings.clock.clearTimeout(this.#timer)
    this.#timer = undefined
    this.#running.clear()
    this.#copied.clear()
  }

  #look() {
    this.#timer = undefined
    const before = this.#settings.clock.now() - Math.max(LEAST_MS, PATIENCE * this.#median())
    // What was measured must be more than what is judged by it.
    let room = this.#times.length < this.#running.size ? 0 : this.#settings.room()
    for (const [key, since] of this.#running) {
      if (since > before || room <= 0) break
      if (this.#copied.has(key)) continue
      room--
      this.#copied.add(key)
      this.#copy(key)
    }
    this.watch()
  }

  #median(): number {
    this.#medianMs ??= this.#times.toSorted((a, b) => a - b)[this.#times.length >> 1] ?? 0
    return this.#medianMs
  }
}
