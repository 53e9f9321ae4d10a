import { clearTimeout, setTimeout } from '../timers.ts'

export interface BlockageSettings {
  /** So long, in milliseconds, and it is said. */
  readonly sayAfterMs: number
  /** So long, in milliseconds, and it is given up; Infinity: never. */
  readonly limitMs: number
  say(reason: string): void
  giveUp(reason: string): void
}

/** A broker that is short of memory or of disk takes nothing from those who publish, and says so: that may last for ever. */
export class Blockage {
  readonly #settings: BlockageSettings
  #timers: NodeJS.Timeout[] = []

  constructor(settings: BlockageSettings) {
    this.#settings = settings
  }

  begin(reason: string): void {
    this.end()
    const { sayAfterMs, limitMs, say, giveUp } = this.#settings
    this.#timers.push(setTimeout(() => say(reason), sayAfterMs).unref())
    if (limitMs !== Number.POSITIVE_INFINITY) this.#timers.push(setTimeout(() => giveUp(reason), limitMs).unref())
  }

  end(): void {
    for (const timer of this.#timers.splice(0)) clearTimeout(timer)
  }
}
