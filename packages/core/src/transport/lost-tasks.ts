import { clearTimeout, setTimeout } from '../timers.ts'
import type { AttemptSet } from './attempt-set.ts'
import { GoneWorkers, type GoneWorkersSettings } from './gone-workers.ts'
import { Markers } from './markers.ts'
import { type AttemptId, keyOf } from './port.ts'
import type { PartitionAttempt } from './task-batch.ts'

export interface LostTasksSettings extends Omit<GoneWorkersSettings, 'isOut'> {
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
  /** Workers that are there, as far as is known. */
  workers(): readonly string[]
  /** Has all workers say which tasks they hold. */
  ask(): void
  /** Nobody has this attempt: it was lost on its way. */
  again(attempt: PartitionAttempt): void
}

/** How often it is looked, in milliseconds. */
const LOOK_MS = 5000
/** After a connection was lost it is looked after so long, in milliseconds: workers pause for two seconds, at most, before they connect again. */
const RETURN_MS = 3000

/**
 * Finds tasks that no broker would give to anybody again.
 *
 * They may be lost with their queue: somebody empties it, or deletes it. Such a one is out, no worker says that it holds it, and it was
 * out before too, with the queue seen empty both times. Or, in a queue that is not empty, two markers came that were sent after it, one after the
 * other: once may be a worker that had it, and gave it back. And a worker may drop what it has acknowledged early, since nobody waited for answers.
 *
 * It is looked in rounds: in each of them all workers are asked what they hold, and have the time to the next to say so.
 */
export class LostTasks {
  readonly #settings: LostTasksSettings
  readonly #gone: GoneWorkers
  readonly #markers: Markers
  #timer: NodeJS.Timeout | undefined
  #looking = false
  #closed = false
  /** Attempts that were out when the queue was last seen empty. */
  #suspects: readonly PartitionAttempt[] = []
  /** Attempts that were before a marker that had come when the round began. */
  #passed: readonly PartitionAttempt[] = []
  /** Attempts that were before a marker that had come, and that nobody held in the round after it. */
  #doubted: ReadonlySet<PartitionAttempt> = new Set()
  /** Attempts that workers have said they hold, in this round. */
  readonly #held = new Set<string>()
  /** Workers that have said what they hold, in this round. */
  readonly #answered = new Set<string>()

  constructor(settings: LostTasksSettings) {
    this.#settings = settings
    this.#gone = new GoneWorkers({ ...settings, isOut: (attempt) => settings.sent.has(attempt) })
    this.#markers = new Markers(settings.mark)
    this.#lookIn(LOOK_MS)
  }

  /** After a connection was lost: the broker may have been started again, and have nothing any more. Workers are on their way back. */
  async reconnected(): Promise<void> {
    this.#beginAnew()
    this.#gone.reconnected()
    clearTimeout(this.#timer)
    await this.#lookOnce()
    this.#lookIn(RETURN_MS)
  }

  /** A worker got this marker. */
  came(marker: number): void {
    this.#markers.came(marker)
  }

  /** A worker has said what it holds: all of these attempts of the job. */
  holds(worker: string, attempts: Iterable<AttemptId>): void {
    this.#answered.add(worker)
    for (const attempt of attempts) this.#held.add(keyOf(attempt))
  }

  /** A worker holds this attempt, and the broker does not know of it any more. */
  holding(attempt: PartitionAttempt, worker: string): void {
    this.#held.add(keyOf(attempt))
    this.#gone.holding(attempt, worker)
  }

  /** A worker computes this attempt. */
  began(attempt: PartitionAttempt, worker: string): void {
    this.#held.add(keyOf(attempt))
    this.#gone.began(attempt, worker)
  }

  /** A worker has left in order, and nothing was lost with it. */
  left(worker: string): void {
    this.#gone.left(worker)
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
    await this.look()
    this.#looking = false
  }

  /** Looks now. */
  async look(): Promise<void> {
    const { sent, ask } = this.#settings
    const waiting = await this.#settings.waiting().catch(() => undefined)
    // Without an answer nothing is known, nor was anybody asked.
    if (waiting === undefined) this.#beginAnew()
    else if (await this.#isRoundOver()) this.#judge(waiting)
    await this.#gone.look()
    if (sent.size > 0) ask()
  }

  #beginAnew() {
    this.#suspects = []
    this.#passed = []
    this.#doubted = new Set()
    this.#markers.clear()
    this.#held.clear()
    this.#answered.clear()
  }

  /** Whether all workers have said what they hold; those that are gone will not. */
  async #isRoundOver(): Promise<boolean> {
    if (this.#suspects.length === 0 && this.#passed.length === 0) return true
    for (const worker of this.#settings.workers()) {
      if (this.#answered.has(worker)) continue
      if (await this.#settings.consumersOfWorker(worker).catch(() => 1)) return false
    }
    return true
  }

  /** Ends a round, and begins the next. @param waiting Messages in the queue. */
  #judge(waiting: number) {
    const { sent, published, confirmed, again } = this.#settings
    const isUnheld = (attempt: PartitionAttempt) => sent.has(attempt) && !this.#held.has(keyOf(attempt))
    const isNowhere = (attempt: PartitionAttempt) => isUnheld(attempt) && !this.#gone.isEarly(attempt)
    const passed = this.#passed.filter(isNowhere)
    const lost = new Set([
      ...passed.filter((attempt) => this.#doubted.has(attempt)),
      // With something in the queue, it may be these: a worker that is gone gives them back.
      ...(waiting === 0 ? this.#suspects.filter(isNowhere) : []),
      ...this.#gone.early.flatMap(([attempt, worker]) => (this.#answered.has(worker) && isUnheld(attempt) ? [attempt] : [])),
    ])
    this.#doubted = new Set([...this.#doubted, ...passed].filter(isNowhere))
    for (const attempt of lost) again(attempt)
    this.#suspects = waiting === 0 ? published() : []
    this.#passed = this.#markers.takePassed()
    if (waiting > 0) this.#markers.look(confirmed())
    this.#held.clear()
    this.#answered.clear()
  }
}
