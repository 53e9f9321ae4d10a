import type { PymarError } from '../errors.ts'
import { now, setTimeout } from '../timers.ts'
import type { Broker } from '../wire/broker-url.ts'
import { brokerError, isRefusal, PublishRefused } from './broker-error.ts'
import { MuteQueue } from './mute-queue.ts'

export interface TriesSettings {
  readonly broker: Broker
  /** Milliseconds after which none is made any more; Infinity: never. */
  readonly timeoutMs: number
  /** Whether others are made although the broker has refused us. */
  isPatient(): boolean
  /**
   * None has succeeded for a while, or the broker has refused us: this is why.
   *
   * @param isRefused Whether it is what was published that it has refused.
   */
  say(error: PymarError, isRefused: boolean): void
}

/** How long it is waited before the second one, and before late ones. */
export const FIRST_DELAY_MS = 100
export const LONGEST_DELAY_MS = 2000
/** One that had less than this part of the time that there is for all, and less than so many milliseconds, was cut short. */
const FAIR_PART = 0.5
const FAIR_MS = 1000
/** So long without a broker, in milliseconds, and it is said. */
export const SAY_AFTER_MS = 2000

/** Tries for a connection that is of use, ever more seldom. */
export class Tries {
  readonly #settings: TriesSettings
  #since = now()
  /** Whether the broker is there, and it is a queue that is not. */
  #isThere = false
  #delayMs = FIRST_DELAY_MS
  /** Whether it was said that there is no connection, and that what is published is refused. */
  readonly #said = { connect: false, publish: false }
  /** Milliseconds that the latest one might take. */
  #hadMs = Number.POSITIVE_INFINITY
  /** Why the latest one has failed that was not cut short. */
  #telling: unknown

  constructor(settings: TriesSettings) {
    this.#settings = settings
  }

  /** The next one begins. @returns How long it may take, in milliseconds. */
  begin(): number {
    this.#hadMs = Math.max(1, this.#since + this.#settings.timeoutMs - now())
    return this.#hadMs
  }

  /**
   * One has failed: waits before the next.
   *
   * @throws {PymarError} `BROKER` if there is to be none.
   */
  async failed(reason: unknown): Promise<void> {
    const { broker, timeoutMs, isPatient, say } = this.#settings
    if (reason instanceof MuteQueue) this.#begun()
    // One that was cut short says nothing but that.
    const isTelling = this.#hadMs >= Math.min(FAIR_MS, FAIR_PART * timeoutMs) || this.#telling === undefined || isRefusal(reason)
    const error = isTelling ? reason : this.#telling
    this.#telling = error
    const deadline = this.#since + timeoutMs
    if ((isRefusal(error) && !isPatient()) || now() >= deadline) throw brokerError(broker, timeoutMs, error)
    const what = error instanceof PublishRefused ? 'publish' : 'connect'
    if (!this.#said[what] && (isRefusal(error) || now() - this.#since >= SAY_AFTER_MS)) {
      this.#said[what] = true
      say(brokerError(broker, Number.POSITIVE_INFINITY, error), what === 'publish')
    }
    const pause = Math.min(this.#delayMs * (0.5 + Math.random() / 2), deadline - now() + 1)
    this.#delayMs = Math.min(LONGEST_DELAY_MS, this.#delayMs * 2)
    await new Promise((later) => setTimeout(later, pause).unref())
    if (now() >= deadline) throw brokerError(broker, timeoutMs, error)
  }

  /** What is wrong with a queue takes its own time, and not what was left of the time that the broker was away. */
  #begun() {
    if (!this.#isThere) this.#since = now()
    this.#isThere = true
  }
}
