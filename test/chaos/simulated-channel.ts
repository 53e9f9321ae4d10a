// Queue, workers and network that are made up, and do whatever real ones may do.
import type { Attempt, Channel, ChannelEvents } from '../../packages/core/dist/transport/port.js'
import { decode, encode } from '../../packages/core/dist/wire/codec.js'
import type { VirtualClock } from './virtual-clock.ts'

/** What may happen, with how likely it is. */
export interface Faults {
  /** A worker dies while it computes; what it holds is given to somebody again, and its loss may be told, or not. */
  readonly death: number
  /** A slot dies, and its worker says so. */
  readonly slotDeath: number
  /** A worker stops for minutes, and goes on as if nothing had been. */
  readonly stop: number
  /** A task, or an answer, is gone; it is found out later that nobody has it. */
  readonly lost: number
  /** Something comes twice. */
  readonly twice: number
  /** User code throws. */
  readonly thrown: number
  /** A worker gives a task back. */
  readonly returned: number
  /** The whole channel is replaced by another one. */
  readonly replaced: number
}

/** What decides, and counts. */
export interface Chance {
  readonly clock: VirtualClock
  /** From 0 to 1. */
  next(): number
  happens(fault: keyof Faults): boolean
  losses: number
  sent: number
  /** The partition that never ends, and the one that ends each slot. */
  readonly endless: number | undefined
  readonly deadly: number | undefined
  /** Partitions that were done before, and those whose answers an earlier run has left. */
  readonly known: ReadonlySet<number>
  readonly left: readonly number[]
}

const MINUTE_MS = 60_000

const partials: Uint8Array[] = []
/** What a partition gives. */
export function partialOf(id: number): Uint8Array {
  partials[id] ??= encode(String(id), 'a partial')
  return partials[id]
}

/** Slots of made-up workers that take tasks from a made-up queue. */
export class SimulatedChannel implements Channel {
  readonly workers: number
  readonly #of: Chance
  readonly #window: number
  readonly #queue: Attempt[] = []
  #out = 0
  #idle: number
  #events: ChannelEvents | undefined
  #closed = false
  #isTaking = false
  readonly #stopped = new Set<Attempt>()
  /** Attempts that never end, with what frees their slot. */
  readonly #endless = new Map<Attempt, () => void>()

  constructor(of: Chance) {
    this.#of = of
    this.workers = 1 + Math.floor(of.next() * 6)
    this.#idle = this.workers
    this.#window = this.workers + Math.floor(of.next() * 20)
  }

  listen(events: ChannelEvents) {
    this.#events = events
    if (this.#of.left.length > 0) this.#takeLeft(events)
  }

  get hasRoom() {
    return !this.#isTaking && this.#out < this.#window
  }

  /** Before it is known what an earlier run has left nothing is sent. */
  #takeLeft(events: ChannelEvents) {
    this.#isTaking = true
    const answer = (id: number) => events.partial({ id, attempt: 0 }, partialOf(id))
    for (const id of this.#of.left) {
      this.#later(1000 * this.#of.next(), () => answer(id))
      if (this.#of.happens('twice')) this.#later(1000 * this.#of.next(), () => answer(id))
    }
    this.#later(1000, () => {
      this.#isTaking = false
      events.room()
    })
  }

  send(attempt: Attempt) {
    if (this.#closed) throw new Error('something was sent over a channel that is closed')
    this.#out++
    if (attempt.task.kind === 'reduction') return this.#reduce(attempt)
    if (this.#of.known.has(attempt.id)) throw new Error(`partition ${attempt.id} was done before, and is sent`)
    this.#of.sent++
    if (this.#of.happens('lost'))
      return this.#later(5000 + 10_000 * this.#of.next(), () => this.#answer(attempt, (events) => events.returned(attempt)))
    this.#queue.push(attempt)
    this.#give()
    if (this.#of.happens('twice')) this.#queue.push(attempt)
  }

  stop(attempt: Attempt) {
    this.#endless.get(attempt)?.()
    this.#endless.delete(attempt)
    this.#stopped.add(attempt)
    this.#out--
  }

  close() {
    this.#closed = true
    return true
  }

  #later(ms: number, then: () => void) {
    this.#of.clock.setTimeout(() => {
      if (!this.#closed) then()
    }, ms)
  }

  #give() {
    while (this.#idle > 0 && this.#queue.length > 0) {
      const attempt = this.#queue.shift() as Attempt
      if (this.#stopped.has(attempt)) continue
      this.#idle--
      this.#later(this.#of.next() * 5, () => this.#compute(attempt))
    }
  }

  #free() {
    this.#idle++
    this.#give()
  }

  #compute(attempt: Attempt) {
    if (this.#stopped.has(attempt)) return this.#free()
    const next = () => this.#of.next()
    const ms = next() < 0.1 ? next() * MINUTE_MS : next() * 2000
    // It may be lost with the broker; then workers say again later which tasks they compute.
    if (next() < 0.8) this.#say((events) => events.started(attempt))
    else this.#later(next() * 10_000, () => this.#say((events) => events.started(attempt)))
    if (attempt.id === this.#of.endless) return this.#endless.set(attempt, () => this.#free())
    if (attempt.id === this.#of.deadly) {
      return this.#later(ms, () => {
        this.#free()
        this.#lose(attempt)
      })
    }
    if (this.#of.happens('returned')) {
      this.#free()
      return this.#answer(attempt, (events) => events.returned(attempt))
    }
    if (this.#of.happens('death')) return this.#die(attempt, ms * next())
    if (this.#of.happens('slotDeath'))
      return this.#later(ms * next(), () => {
        this.#free()
        this.#lose(attempt)
      })
    const stopped = this.#of.happens('stop') ? (1 + 9 * next()) * MINUTE_MS : 0
    // Its worker is silent for so long that somebody else gets it.
    if (stopped > 0)
      this.#later(30_000, () => {
        this.#queue.push(attempt)
        this.#give()
      })
    this.#later(ms + stopped, () => {
      this.#free()
      this.#done(attempt)
    })
  }

  /** Gone with all that it held, before or after it has answered. */
  #die(attempt: Attempt, ms: number) {
    const next = () => this.#of.next()
    const answers = next() < 0.3
    this.#later(ms, () => {
      if (answers) this.#done(attempt)
      // Another worker comes in its place.
      this.#later(next() * 10_000, () => this.#free())
      if (next() < 0.5) {
        this.#queue.push(attempt)
        this.#give()
        this.#later(10_000, () => this.#note(attempt))
      } else this.#later(10_000, () => this.#lose(attempt))
    })
  }

  /** It is computed elsewhere, and that it was lost counts. */
  #note(attempt: Attempt) {
    this.#of.losses++
    this.#say((events) => events.redelivered(attempt, { host: 'host', pid: 2, exit: 'its worker is gone' }))
  }

  #lose(attempt: Attempt) {
    this.#of.losses++
    this.#answer(attempt, (events) => events.lost(attempt, { host: 'host', pid: 1, exit: 'signal SIGKILL' }))
  }

  #done(attempt: Attempt) {
    if (this.#of.happens('thrown'))
      return this.#answer(attempt, (events) => events.failed(attempt, 'USER_ERROR', new Error('thrown'), 'worker'))
    const bytes = partialOf(attempt.id)
    const answer = () => this.#answer(attempt, (events) => events.partial(attempt, bytes))
    // It is said again after a connection was lost, or is found late that nobody has heard it.
    if (this.#of.happens('lost')) return this.#later(20_000 * this.#of.next(), answer)
    answer()
    if (this.#of.happens('twice')) this.#later(this.#of.next() * 20_000, answer)
  }

  /** What a real channel does: an answer takes a task out, once. */
  #answer(attempt: Attempt, say: (events: ChannelEvents) => void) {
    this.#say((events) => {
      if (!this.#stopped.has(attempt) && !this.#answered.has(attempt)) this.#out--
      this.#answered.add(attempt)
      say(events)
    })
  }

  readonly #answered = new Set<Attempt>()

  /** Messages overtake each other. */
  #say(say: (events: ChannelEvents) => void) {
    this.#later(this.#of.next() < 0.2 ? this.#of.next() * 3000 : 1, () => say(this.#events as ChannelEvents))
  }

  #reduce(attempt: Attempt) {
    const { task } = attempt
    if (task.kind !== 'reduction') return
    const values = task.partials.map((bytes) => decode(bytes) as string)
    this.#answer(attempt, (events) => events.partial(attempt, encode(`(${values.join(' ')})`, 'a partial')))
  }
}
