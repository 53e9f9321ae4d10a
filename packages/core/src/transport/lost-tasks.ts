import { clearInterval, setInterval } from '../timers.ts'
import type { AttemptId } from './port.ts'
import type { PartitionAttempt } from './task-batch.ts'

export interface LostTasksSettings {
  /** Attempts that are out. */
  readonly sent: ReadonlyMap<number, PartitionAttempt>
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
}

/** How often it is looked, in milliseconds. */
const LOOK_MS = 5000
/** Looks in a row that do not find a worker, before it is taken to be gone. */
const MISSES = 2

/**
 * Finds tasks that no broker would give to anybody again.
 *
 * Tasks may be lost with their queue: somebody empties it, or deletes it. One that was out both times when the queue was seen
 * empty, and that no worker says it holds, is one of them. And tasks that were acknowledged early are lost with their worker.
 */
export class LostTasks {
  readonly #settings: LostTasksSettings
  readonly #timer = setInterval(() => void this.#lookOnce(), LOOK_MS).unref()
  #looking = false
  /** Attempts that were out when the queue was last seen empty. */
  #suspects = new Set<PartitionAttempt>()
  /** Attempts that workers have said they hold, since the last look. */
  readonly #held = new Set<string>()
  /** Attempts that were acknowledged early, with the workers that hold them. */
  readonly #holders = new Map<PartitionAttempt, string>()
  /** Looks in a row that did not find a worker. */
  readonly #misses = new Map<string, number>()

  constructor(settings: LostTasksSettings) {
    this.#settings = settings
  }

  /** A worker holds this attempt. */
  held(attempt: AttemptId): void {
    this.#held.add(keyOf(attempt))
  }

  /** A worker holds this attempt, and the broker does not know of it any more. */
  holding(attempt: PartitionAttempt, worker: string): void {
    this.#holders.set(attempt, worker)
  }

  close(): void {
    clearInterval(this.#timer)
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
    const isOut = (attempt: PartitionAttempt) => sent.get(attempt.id) === attempt
    const waiting = await this.#settings.waiting().catch(() => undefined)
    const lost = [...this.#suspects].filter((attempt) => isOut(attempt) && !this.#holders.has(attempt) && !this.#held.has(keyOf(attempt)))
    this.#suspects = new Set(waiting === 0 ? sent.values() : [])
    if (waiting === 0) for (const attempt of lost) this.#settings.again(attempt)
    this.#held.clear()
    for (const attempt of this.#holders.keys()) if (!isOut(attempt)) this.#holders.delete(attempt)
    await this.#lookAtHolders()
    if (sent.size > 0) this.#settings.ask()
  }

  async #lookAtHolders() {
    const workers = new Set(this.#holders.values())
    for (const worker of this.#misses.keys()) if (!workers.has(worker)) this.#misses.delete(worker)
    for (const worker of workers) {
      // Without a connection nothing is known of anybody.
      const consumers = await this.#settings.consumersOfWorker(worker).catch(() => 1)
      const misses = consumers ? 0 : (this.#misses.get(worker) ?? 0) + 1
      this.#misses.set(worker, misses)
      if (misses < MISSES) continue
      for (const [attempt, holder] of [...this.#holders]) {
        if (holder !== worker) continue
        this.#holders.delete(attempt)
        this.#settings.gone(attempt, worker)
      }
    }
  }
}

function keyOf({ id, attempt }: AttemptId): string {
  return `${id} ${attempt}`
}
