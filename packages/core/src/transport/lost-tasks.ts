import { clearTimeout, setTimeout } from '../timers.ts'
import type { AttemptSet } from './attempt-set.ts'
import { Markers } from './markers.ts'
import { type AttemptId, keyOf } from './port.ts'
import type { PartitionAttempt } from './task-batch.ts'

export interface LostTasksSettings {
  /** Attempts that are out. */
  readonly sent: AttemptSet<PartitionAttempt>
  /** Those of them that the broker may have. */
  published(): readonly PartitionAttempt[]
  /** Those of them that the broker has put into the queue. */
  confirmed(): readonly PartitionAttempt[]
  /** Sends a marker through the queue. */
  mark(marker: number): void
  /** Messages that wait in the task queue. */
  waiting(): Promise<number>
  /** How many consumers the queue of a worker's own has, or undefined if it is not there. */
  consumersOfWorker(worker: string): Promise<number | undefined>
  /** Has all workers say which tasks they hold. */
  ask(): void
  /** Nobody has this attempt: it was lost on its way. */
  again(attempt: PartitionAttempt): void
  /** The worker that had acknowledged this attempt is gone. */
  gone(attempt: PartitionAttempt, worker: string): void
  /** A worker that had begun this attempt is gone: the broker gives it to another. */
  redelivered(attempt: PartitionAttempt, worker: string): void
}

/** How often it is looked, in milliseconds. */
const LOOK_MS = 5000
/** After a connection was lost it is looked after so long, in milliseconds: workers pause for two seconds, at most, before they connect again. */
const RETURN_MS = 3000
/** Looks in a row that do not find a worker, before it is taken to be gone. */
const MISSES = 2

/**
 * Finds tasks that no broker would give to anybody again.
 *
 * Tasks may be lost with their queue: somebody empties it, or deletes it. One that was out both times when the queue was seen
 * empty, or before a marker that came, and that no worker says it holds afterwards, is one of them. And tasks that were acknowledged
 * early are lost with their worker. Those that were not are given to another worker: that is counted, since a partition may be what
 * ends them all.
 */
export class LostTasks {
  readonly #settings: LostTasksSettings
  #timer: NodeJS.Timeout | undefined
  #looking = false
  #closed = false
  /** Attempts that were out when the queue was last seen empty. */
  #suspects: readonly PartitionAttempt[] = []
  /** Attempts that were before a marker that had come when it was last looked. */
  #passed: readonly PartitionAttempt[] = []
  readonly #markers: Markers
  /** Attempts that workers have said they hold, since the last look. */
  readonly #held = new Set<string>()
  /** Attempts that were acknowledged early, with the workers that hold them. */
  readonly #holders = new Map<PartitionAttempt, string>()
  /** Workers that have begun an attempt, and may have it no more. */
  readonly #beginners = new Map<PartitionAttempt, Set<string>>()
  /** Looks in a row that did not find a worker. */
  readonly #misses = new Map<string, number>()

  constructor(settings: LostTasksSettings) {
    this.#settings = settings
    this.#markers = new Markers(settings.mark)
    this.#lookIn(LOOK_MS)
  }

  /** After a connection was lost: the broker may have been started again, and have nothing any more. Workers are on their way back. */
  async reconnected(): Promise<void> {
    this.#suspects = []
    this.#passed = []
    this.#markers.clear()
    this.#held.clear()
    this.#misses.clear()
    clearTimeout(this.#timer)
    await this.#lookOnce()
    this.#lookIn(RETURN_MS)
  }

  /** A worker got this marker. */
  came(marker: number): void {
    this.#markers.came(marker)
  }

  /** A worker holds this attempt. */
  held(attempt: AttemptId): void {
    this.#held.add(keyOf(attempt))
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

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #lookIn(ms: number) {
    clearTimeout(this.#timer)
    if (this.#closed) return
    this.#timer = setTimeout(async () => {
      await this.#lookOnce()
      this.#lookIn(LOOK_MS)
    }, ms).unref()
  }

  /** One look at a time: a broker that answers late would be taken for one that has nothing. */
  async #lookOnce() {
    if (this.#looking) return
    this.#looking = true
    await this.#look()
    this.#looking = false
  }

  async #look() {
    const { sent } = this.#settings
    const isOut = (attempt: PartitionAttempt) => sent.has(attempt)
    const waiting = await this.#settings.waiting().catch(() => undefined)
    const isNowhere = (attempt: PartitionAttempt) => isOut(attempt) && !this.#holders.has(attempt) && !this.#held.has(keyOf(attempt))
    // With something in the queue, it may be what was suspected: a worker that is gone gives it back.
    const lost = [...this.#passed, ...(waiting === 0 ? this.#suspects : [])].filter(isNowhere)
    this.#suspects = waiting === 0 ? this.#settings.published() : []
    this.#passed = this.#markers.takePassed()
    for (const attempt of new Set(lost)) this.#settings.again(attempt)
    if (waiting) this.#markers.look(this.#settings.confirmed())
    this.#held.clear()
    for (const known of [this.#holders, this.#beginners]) for (const attempt of known.keys()) if (!isOut(attempt)) known.delete(attempt)
    await this.#lookAtWorkers()
    if (sent.size > 0) this.#settings.ask()
  }

  async #lookAtWorkers() {
    const workers = new Set([...this.#holders.values(), ...Array.from(this.#beginners.values(), (some) => [...some]).flat()])
    for (const worker of this.#misses.keys()) if (!workers.has(worker)) this.#misses.delete(worker)
    for (const worker of workers) {
      // Without a connection nothing is known of anybody.
      const consumers = await this.#settings.consumersOfWorker(worker).catch(() => 1)
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
