// A job and its workers on a virtual clock: no broker and no processes, so that a schedule takes part of a millisecond. The job is the real
// one (dispatcher, ledger, reduction tree); queue, workers and network are made up, and do whatever real ones may do.
import { Dispatcher } from '../../packages/core/dist/ledger/dispatcher.js'
import { decode } from '../../packages/core/dist/wire/codec.js'
import { random } from '../processes.ts'
import { type Chance, type Faults, partialOf, SimulatedChannel } from './simulated-channel.ts'
import { VirtualClock } from './virtual-clock.ts'

export interface SimulatedEnd {
  /** The result, as text; it shows the tree by which it was reduced. */
  readonly result?: string
  readonly error?: Error & { readonly code?: string }
  readonly expected: string
  /** Whether there was a partition that none may compute. */
  readonly doomed: boolean
  readonly faults: Readonly<Record<keyof Faults, number>>
  readonly losses: number
  readonly virtualMs: number
  /** Attempts that were sent, reductions not counted. */
  readonly sent: number
  readonly maxAttempts: number
}

const MINUTE_MS = 60_000
/** No schedule takes longer, in milliseconds: minutes for each fault, and many of them. */
const LIMIT_MS = 500 * MINUTE_MS

/** Runs one schedule. @throws {Error} If the job never ends, or does what it must not. */
export function simulate(seed: number): SimulatedEnd {
  return new Simulation(seed).run()
}

class Simulation implements Chance {
  readonly clock = new VirtualClock()
  readonly next: () => number
  readonly partitions: number
  readonly faults: Faults
  readonly happened = { death: 0, slotDeath: 0, stop: 0, lost: 0, twice: 0, thrown: 0, returned: 0, replaced: 0 }
  endless: number | undefined
  deadly: number | undefined
  losses = 0
  sent = 0
  /** What a checkpoint holds, and what an earlier run has left in its reply queue. */
  readonly known: ReadonlySet<number>
  readonly left: readonly number[]
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
    const [known, left] = next() < 0.2 ? [next(), next() * next()] : [0, 0]
    const all = Array.from({ length: this.partitions }, (_, index) => index)
    this.known = new Set(all.filter(() => next() < known))
    this.left = all.filter(() => next() < left)
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
    const partitionTimeoutMs: { partitionTimeoutMs?: number } = next() < 0.2 ? { partitionTimeoutMs: 1 + next() * 2 * MINUTE_MS } : {}
    const options = { maxAttempts, retries, speculation: next() < 0.7, ...partitionTimeoutMs }
    // One partition that none may compute.
    const fate = next()
    const one = Math.floor(next() * partitions)
    const isOpen = one < partitions && !this.known.has(one) && !this.left.includes(one)
    if (isOpen && fate < 0.1 && options.partitionTimeoutMs && retries < 1000) this.endless = one
    if (isOpen && fate > 0.9 && maxAttempts < 1000) this.deadly = one
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
    for (const index of this.known) counted.add(index)
    dispatcher.know(new Map(Array.from(this.known, (index) => [index, partialOf(index)])))
    const use = () => dispatcher.use(new SimulatedChannel(this))
    if (!end) use()
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
    const { happened: faults, losses, sent, endless, deadly } = this
    return {
      ...end,
      expected: expectedOf(partitions),
      doomed: endless !== undefined || deadly !== undefined,
      faults,
      losses,
      sent,
      virtualMs: clock.now(),
      maxAttempts,
    }
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
