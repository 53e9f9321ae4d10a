import { clearTimeout, nextTick, setTimeout } from '../timers.ts'
import { isNack } from './amqp-session.ts'
import { Pace } from './pace.ts'
import type { PartitionAttempt } from './task-batch.ts'

/** Milliseconds without sending anything after the broker has refused something; twice as many each time, until it takes something. */
const PAUSE_MS = 250
const LONGEST_PAUSE_MS = 8000

export interface TaskOutboxSettings {
  /** Whether somebody waits for its answer. */
  isOut(attempt: PartitionAttempt): boolean
  /** Puts attempts into messages. */
  batches(attempts: readonly PartitionAttempt[]): Iterable<readonly PartitionAttempt[]>
  /** @param confirmed Called when the broker has it, or with an error if it has not, or that cannot be known. */
  publish(batch: readonly PartitionAttempt[], confirmed: (error?: unknown) => void): void
  /** The broker takes nothing, for some time now. */
  stuck(): void
}

/** Tasks of a job on their way to the broker. */
export class TaskOutbox {
  readonly #settings: TaskOutboxSettings
  readonly #pace = new Pace(nextTick, () => this.#flush())
  #waiting: PartitionAttempt[] = []
  /** Those of which it is not known that the broker has them. */
  readonly #unconfirmed = new Set<PartitionAttempt>()
  /** It waits, since the broker has refused something. */
  #pause: NodeJS.Timeout | undefined
  #pauseMs = PAUSE_MS

  constructor(settings: TaskOutboxSettings) {
    this.#settings = settings
  }

  add(attempt: PartitionAttempt): void {
    this.#unconfirmed.add(attempt)
    this.#waiting.push(attempt)
    this.#pace.want()
  }

  delete(attempt: PartitionAttempt): void {
    this.#unconfirmed.delete(attempt)
  }

  clear(): void {
    clearTimeout(this.#pause)
    this.#pause = undefined
    this.#unconfirmed.clear()
    this.#waiting = []
  }

  /** Another connection may be served where the one before it was refused. */
  reconnected(): void {
    this.#pauseMs = PAUSE_MS
    if (this.#pause) this.#goOn()
  }

  /** Those that the broker may have. */
  get unconfirmed(): PartitionAttempt[] {
    return this.published(this.#unconfirmed)
  }

  /** Those of these attempts that the broker has. */
  confirmed(attempts: Iterable<PartitionAttempt>): PartitionAttempt[] {
    return [...attempts].filter((attempt) => !this.#unconfirmed.has(attempt))
  }

  /** Those of these attempts that do not wait here. */
  published(attempts: Iterable<PartitionAttempt>): PartitionAttempt[] {
    const waiting = new Set(this.#waiting)
    return [...attempts].filter((attempt) => !waiting.has(attempt))
  }

  #flush() {
    if (this.#pause) return
    const attempts = this.#waiting.filter((attempt) => this.#settings.isOut(attempt))
    this.#waiting = []
    for (const batch of this.#settings.batches(attempts)) {
      if (this.#pace.hasRoom) this.#publish(batch)
      else this.#waiting.push(...batch)
    }
    if (this.#waiting.length > 0) this.#pace.want()
  }

  #publish(batch: readonly PartitionAttempt[]) {
    this.#pace.sent()
    this.#settings.publish(batch, (error) => {
      if (error === undefined) this.#taken(batch)
      else if (isNack(error)) this.#refused(batch)
      this.#pace.settled()
    })
  }

  #taken(batch: readonly PartitionAttempt[]) {
    this.#pauseMs = PAUSE_MS
    if (this.#pause) this.#wait()
    for (const attempt of batch) this.#unconfirmed.delete(attempt)
  }

  #refused(batch: readonly PartitionAttempt[]) {
    const wanted = batch.filter((attempt) => this.#settings.isOut(attempt))
    this.#waiting.push(...wanted)
    if (!this.#pause && wanted.length > 0) this.#wait()
  }

  #wait() {
    clearTimeout(this.#pause)
    this.#pause = setTimeout(() => this.#goOn(), this.#pauseMs).unref()
    if (this.#pauseMs === LONGEST_PAUSE_MS) this.#settings.stuck()
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * this.#pauseMs)
  }

  #goOn() {
    clearTimeout(this.#pause)
    this.#pause = undefined
    this.#pace.want()
  }
}
