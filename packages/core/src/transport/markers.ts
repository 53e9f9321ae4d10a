import type { PartitionAttempt } from './task-batch.ts'

/**
 * What a job sends through its queue behind its tasks. A queue is first in, first out, so when a worker gets a marker, the tasks before it were given
 * to somebody (who may give them back), or are lost. In a queue that is never empty nothing else tells that.
 *
 * A marker may be lost too. So others follow, each after twice as many looks as the one before it, until one comes.
 */
export class Markers {
  readonly #send: (marker: number) => void
  /** What was in the queue before each of them, by its number. */
  readonly #before = new Map<number, readonly PartitionAttempt[]>()
  #passed: readonly PartitionAttempt[] = []
  #latest = 0
  /** Looks until the next one. */
  #left = 1
  /** Looks from that to the one after it. */
  #pause = 1

  constructor(send: (marker: number) => void) {
    this.#send = send
  }

  /** Called at each look that finds something in the queue. @param before Attempts that the broker has put there so far. */
  look(before: readonly PartitionAttempt[]): void {
    if (before.length === 0 || --this.#left > 0) return
    this.#left = this.#pause
    this.#pause *= 2
    this.#before.set(++this.#latest, before)
    this.#send(this.#latest)
  }

  /** A worker got one. */
  came(marker: number): void {
    const before = this.#before.get(marker)
    if (!before) return
    this.#passed = before
    // Those that are under way say nothing that this one does not: the next one is to be sent after it came.
    this.#before.clear()
    this.#hurry()
  }

  /** Attempts that were in the queue before one that has come since this was asked last. */
  takePassed(): readonly PartitionAttempt[] {
    const passed = this.#passed
    this.#passed = []
    return passed
  }

  /** The broker may have been started again, and have none any more. */
  clear(): void {
    this.#before.clear()
    this.#passed = []
    this.#hurry()
  }

  #hurry() {
    this.#left = 1
    this.#pause = 1
  }
}
