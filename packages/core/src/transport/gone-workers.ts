import type { PartitionAttempt } from './task-batch.ts'

export interface GoneWorkersSettings {
  /** Whether somebody waits for the answer of an attempt. */
  isOut(attempt: PartitionAttempt): boolean
  /** How many consumers the queue of a worker's own has, or undefined if it is not there. */
  consumersOfWorker(worker: string): Promise<number | undefined>
  /** The worker that had acknowledged this attempt is gone. */
  gone(attempt: PartitionAttempt, worker: string): void
  /** A worker that had begun this attempt is gone: the broker gives it to another. */
  redelivered(attempt: PartitionAttempt, worker: string): void
}

/** Looks in a row that do not find a worker, before it is taken to be gone. */
const MISSES = 2

/**
 * Finds workers that are gone with tasks of a job.
 *
 * What they had acknowledged early is lost with them. What they had not is given to another worker: that is counted, since a partition may be what ends
 * them all.
 */
export class GoneWorkers {
  readonly #settings: GoneWorkersSettings
  /** Attempts that were acknowledged early, with the workers that hold them. */
  readonly #holders = new Map<PartitionAttempt, string>()
  /** Workers that have begun an attempt, and may have it no more. */
  readonly #beginners = new Map<PartitionAttempt, Set<string>>()
  /** Looks in a row that did not find a worker. */
  readonly #misses = new Map<string, number>()

  constructor(settings: GoneWorkersSettings) {
    this.#settings = settings
  }

  /** A worker holds this attempt, and the broker does not know of it any more. */
  holding(attempt: PartitionAttempt, worker: string): void {
    this.#holders.set(attempt, worker)
  }

  /** A worker computes this attempt. */
  began(attempt: PartitionAttempt, worker: string): void {
    this.#beginners.set(attempt, (this.#beginners.get(attempt) ?? new Set()).add(worker))
  }

  /** A worker has left in order, and nothing was lost with it. */
  left(worker: string): void {
    for (const workers of this.#beginners.values()) workers.delete(worker)
  }

  /** Attempts that are out and that the broker does not know of, with the workers that hold them. */
  get early(): readonly (readonly [attempt: PartitionAttempt, worker: string])[] {
    return [...this.#holders].filter(([attempt]) => this.#settings.isOut(attempt))
  }

  isEarly(attempt: PartitionAttempt): boolean {
    return this.#holders.has(attempt)
  }

  /** Workers are on their way back, perhaps. */
  reconnected(): void {
    this.#misses.clear()
  }

  async look(): Promise<void> {
    const { isOut, consumersOfWorker } = this.#settings
    for (const known of [this.#holders, this.#beginners]) for (const attempt of known.keys()) if (!isOut(attempt)) known.delete(attempt)
    const workers = new Set([...this.#holders.values(), ...Array.from(this.#beginners.values(), (some) => [...some]).flat()])
    for (const worker of this.#misses.keys()) if (!workers.has(worker)) this.#misses.delete(worker)
    for (const worker of workers) {
      // Without a connection nothing is known of anybody.
      const consumers = await consumersOfWorker(worker).catch(() => 1)
      const misses = consumers ? 0 : (this.#misses.get(worker) ?? 0) + 1
      this.#misses.set(worker, misses)
      if (misses >= MISSES) this.#gone(worker)
    }
  }

  #gone(worker: string) {
    for (const [attempt, begun] of [...this.#beginners]) {
      if (begun.delete(worker) && this.#holders.get(attempt) !== worker) this.#settings.redelivered(attempt, worker)
    }
    for (const [attempt, holder] of [...this.#holders]) {
      if (holder !== worker) continue
      this.#holders.delete(attempt)
      this.#settings.gone(attempt, worker)
    }
  }
}
