import { clearInterval, now, setInterval } from '../timers.ts'

/** How often it is looked whether producers are there, in milliseconds. */
const LOOK_MS = 2000
/** After a connection was lost, the other side may be still on its way back for so long, in milliseconds. */
const RETURN_MS = 10_000
/** Looks in a row, each so long after the last one, that do not find a producer before it is taken to be gone. */
const MISSES = 2
/** Reply queues that are remembered although nothing of theirs is held. */
const REMEMBERED = 1000

export interface PresenceSettings {
  /** How many consumers a queue has, or undefined if it is not there. */
  consumersOf(queue: string): Promise<number | undefined>
  /** Reply queues of those whose tasks are held. */
  inUse(): Iterable<string>
  /** Somebody listens to this reply queue: that had not been known. */
  there(replyTo: string): void
  /** Nobody listens to this reply queue now, but there it is. */
  unheard(replyTo: string): void
  /** Nobody listens to this reply queue any more; where it is missing, nobody ever will. */
  gone(replyTo: string, isMissing: boolean): void
}

/** What was found at a reply queue, the last time somebody looked. */
interface Sight {
  /** Looks in a row that found nobody. */
  misses: number
  /** When the last of them was. */
  at: number
}

/** Tells whether those who sent tasks are still there to hear the answers: whether their reply queues are consumed. */
export class Presence {
  readonly #settings: PresenceSettings
  readonly #sights = new Map<string, Sight>()
  readonly #looks = new Set<string>()
  /** Since when there is a connection, after one was lost. */
  #returnedAt = Number.NEGATIVE_INFINITY
  readonly #timer = setInterval(() => this.#lookAtAll(), LOOK_MS).unref()

  constructor(settings: PresenceSettings) {
    this.#settings = settings
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** There is a connection again, after one that was lost. */
  returned(): void {
    this.#returnedAt = now()
  }

  /** Whether somebody was seen there, the last time. */
  isThere(replyTo: string): boolean {
    return this.#sights.get(replyTo)?.misses === 0
  }

  /** Looks now, and says what it finds: that somebody is there, or is gone; or looks again later. */
  look(replyTo: string): void {
    if (this.#looks.has(replyTo)) return
    this.#looks.add(replyTo)
    this.#settings
      .consumersOf(replyTo)
      .then(
        (consumers) => this.#seen(replyTo, consumers),
        // Without a connection nothing is known: there will be another look.
        () => {},
      )
      .finally(() => this.#looks.delete(replyTo))
  }

  #seen(replyTo: string, consumers: number | undefined) {
    const before = this.#sights.get(replyTo)
    if (consumers) {
      this.#sights.set(replyTo, { misses: 0, at: now() })
      if (before?.misses !== 0) this.#settings.there(replyTo)
      return
    }
    const { misses, at } = before ?? { misses: 0, at: Number.NEGATIVE_INFINITY }
    // One that is gone stays so until somebody is seen, so that what it left in the queues costs one look.
    const counts = misses >= MISSES || now() - at > LOOK_MS / 2
    const sight = counts ? { misses: misses + 1, at: now() } : { misses, at }
    this.#sights.set(replyTo, sight)
    if (consumers === 0) this.#settings.unheard(replyTo)
    if (sight.misses >= MISSES && now() - this.#returnedAt > RETURN_MS) this.#settings.gone(replyTo, consumers === undefined)
  }

  #lookAtAll() {
    const inUse = new Set(this.#settings.inUse())
    for (const [replyTo, { misses }] of this.#sights) {
      if (!inUse.has(replyTo) && (misses === 0 || this.#sights.size > REMEMBERED)) this.#sights.delete(replyTo)
    }
    for (const replyTo of inUse) this.look(replyTo)
  }
}
