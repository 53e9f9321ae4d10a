// A job and its workers on a virtual clock: no broker and no processes, so that a schedule takes part of a millisecond. The job is the real
// one (dispatcher, ledger, reduction tree); queue, workers and network are made up, and do whatever real ones may do.
import { Dispatcher } from '../../packages/core/dist/ledger/dispatcher.js'
import type { Attempt, Channel, ChannelEvents } from '../../packages/core/dist/transport/port.js'
import { decode, encode } from '../../packages/core/dist/wire/codec.js'
import { random } from '../processes.ts'
import { VirtualClock } from './virtual-clock.ts'

/** What may happen, with how likely it is. */
interface Faults {
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

export interface SimulatedEnd {
  /** The result, as text; it shows the tree by which it was reduced. */
  readonly result?: string
  readonly error?: Error & { readonly code?: string }
  readonly expected: string
  readonly faults: Readonly<Record<keyof Faults, number>>
  readonly losses: number
  readonly virtualMs: number
  /** Attempts that were sent, reductions not counted. */
  readonly sent: number
  readonly maxAttempts: number
  readonly retries: number
}

const MINUTE_MS = 60_000
/** No schedule takes longer, in milliseconds: minutes for each fault, and many of them. */
const LIMIT_MS = 500 * MINUTE_MS

/** Runs one schedule. @throws {Error} If the job never ends, or does what it must not. */
export function simulate(seed: number): SimulatedEnd {
  return new Simulation(seed).run()
}

class Simulation {
  readonly clock = new VirtualClock()
  readonly next: () => number
  readonly partitions: number
  readonly faults: Faults
  readonly happened = { death: 0, slotDeath: 0, stop: 0, lost: 0, twice: 0, thrown: 0, returned: 0, replaced: 0 }
  losses = 0
  sent = 0
  readonly #seed: number

  constructor(seed: number) {
    this.#seed = seed
    const next = random(seed * 7919 + 1)
    this.next = next
    this.partitions = Math.floor(next() * (next() < 0.1 ? 200 : 20))
    const likely = () => (next() < 0.4 ? next() * 0.3 : 0)
    this.faults = {
      death: likely(),
      slotDeath: likely(),
      stop: likely(),
      lost: likely(),
      twice: likely(),
      thrown: next() < 0.1 ? 0.05 : 0,
      returned: likely(),
      replaced: next() < 0.2 ? 0.02 : 0,
    }
  }

  happens(fault: keyof Faults): boolean {
    if (this.next() >= this.faults[fault]) return false
    this.happened[fault]++
    return true
  }

  run(): SimulatedEnd {
    const { clock, next, partitions } = this
    const maxAttempts = next() < 0.5 ? 1000 : 1 + Math.floor(next() * 4)
    const retries = next() < 0.5 ? 1000 : Math.floor(next() * 3)
    const partitionTimeoutMs = next() < 0.2 ? { partitionTimeoutMs: 1 + next() * 2 * MINUTE_MS } : {}
    const options = { maxAttempts, retries, speculation: next() < 0.7, ...partitionTimeoutMs }
    const counted = new Set<number>()
    let end: { result?: string; error?: Error } | undefined
    const at = (index: number) => (index >= 0 && index < partitions ? { index, offset: index, limit: 1 } : undefined)
    const list = { length: partitions, at }
    const dispatcher = new Dispatcher(
      'Simulated',
      list,
      { kind: 'class' } as never,
      options,
      this.#events(counted, (how) => {
        end ??= how
      }),
      clock,
    )
    const use = () => dispatcher.use(new SimulatedChannel(this))
    use()
    const replace = () => {
      if (end) return
      if (this.happens('replaced')) use()
      clock.setTimeout(replace, 1000 * next())
    }
    if (this.faults.replaced > 0) replace()
    while (!end) {
      if (!clock.step()) throw this.#wrong(`nothing is under way, and ${dispatcher.state.done} of ${partitions} are done`)
      if (clock.now() > LIMIT_MS) throw this.#wrong('it never ends')
    }
    if ('result' in end && counted.size !== partitions) throw this.#wrong(`${counted.size} of ${partitions} were counted`)
    dispatcher.close()
    const { happened: faults, losses, sent } = this
    return { ...end, expected: expectedOf(partitions), faults, losses, sent, virtualMs: clock.now(), maxAttempts, retries }
  }

  #events(counted: Set<number>, ended: (how: { result?: string; error?: Error }) => void) {
    return {
      counted: ({ index }: { index: number }) => {
        if (counted.has(index)) throw this.#wrong(`partition ${index} was counted twice`)
        counted.add(index)
      },
      result: (bytes: Uint8Array) => ended({ result: decode(bytes) as string }),
      failed: (error: unknown) => ended({ error: error as Error }),
    }
  }

  #wrong(found: string): Error {
    return new Error(`seed ${this.#seed}: ${found}`)
  }
}

/** What inline gives: groups of 32 in parentheses, one within the other. */
function expectedOf(partitions: number): string {
  let level = Array.from({ length: partitions }, (_, index) => String(index))
  if (level.length === 0) return '()'
  while (level.length > 1) {
    const groups: string[] = []
    for (let i = 0; i < level.length; i += 32) {
      const group = level.slice(i, i + 32)
      groups.push(group.length === 1 ? (group[0] as string) : `(${group.join(' ')})`)
    }
    level = groups
  }
  return level[0] as string
}

/** Slots of made-up workers that take tasks from a made-up queue. */
class SimulatedChannel implements Channel {
  readonly workers: number
  readonly #of: Simulation
  readonly #window: number
  readonly #queue: Attempt[] = []
  #out = 0
  #idle: number
  #events: ChannelEvents | undefined
  #closed = false
  readonly #stopped = new Set<Attempt>()

  constructor(of: Simulation) {
    this.#of = of
    this.workers = 1 + Math.floor(of.next() * 6)
    this.#idle = this.workers
    this.#window = this.workers + Math.floor(of.next() * 20)
  }

  listen(events: ChannelEvents) {
    this.#events = events
  }

  get hasRoom() {
    return this.#out < this.#window
  }

  send(attempt: Attempt) {
    if (this.#closed) throw new Error('something was sent over a channel that is closed')
    this.#out++
    if (attempt.task.kind === 'reduction') return this.#reduce(attempt)
    this.#of.sent++
    if (this.#of.happens('lost'))
      return this.#later(5000 + 10_000 * this.#of.next(), () => this.#answer(attempt, (events) => events.returned(attempt)))
    this.#queue.push(attempt)
    this.#give()
    if (this.#of.happens('twice')) this.#queue.push(attempt)
  }

  stop(attempt: Attempt) {
    this.#stopped.add(attempt)
    this.#out--
  }

  close() {
    this.#closed = true
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
    const { next } = this.#of
    const ms = next() < 0.1 ? next() * MINUTE_MS : next() * 2000
    if (next() < 0.8) this.#say((events) => events.started(attempt))
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
    const { next } = this.#of
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
    const bytes = encode(String(attempt.id), 'a partial')
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
