import { availableParallelism, hostname } from 'node:os'
import { jobFileAt } from '../job/job-file.ts'
import type { Lease } from '../slot/lease.ts'
import { type PoolSettings, SlotPool } from '../slot/pool.ts'
import { clearTimeout, setTimeout } from '../timers.ts'
import { restoreError } from '../wire/error-record.ts'
import type { Attempt, Channel, ChannelEvents, JobSpec, Transport } from './port.ts'

/** Slots that no producer uses end after this long, in milliseconds: time enough for the next job to find them warm. */
const IDLE_MS = 60_000

/** A pool of this process, with the number of transports that are open on it. */
interface SharedPool {
  readonly pool: SlotPool
  users: number
  idleTimer?: NodeJS.Timeout | undefined
}

/** Pools by their settings: producers that ask for the same share their slots, so that a script has no more than it asked for. */
const pools = new Map<string, SharedPool>()

export interface LocalSettings {
  /** Slots. Default: the cores of this machine. */
  readonly slots?: number
  /** Heap of one slot in MiB. */
  readonly memory?: number
}

/** Computes in slots of this process, on this machine's cores. */
export class LocalTransport implements Transport {
  readonly #key: string
  readonly #shared: SharedPool
  #open = true
  #closing: Promise<void> | undefined

  constructor({ slots = availableParallelism(), memory }: LocalSettings = {}) {
    const settings: PoolSettings = { slots, ...(memory !== undefined && { memory }) }
    this.#key = JSON.stringify(settings)
    const shared = pools.get(this.#key) ?? { pool: new SlotPool(settings), users: 0 }
    pools.set(this.#key, shared)
    shared.users++
    clearTimeout(shared.idleTimer)
    this.#shared = shared
  }

  async open(job: JobSpec, tasks: number): Promise<Channel> {
    const { pool } = this.#shared
    // They come up while V8 is asked where the class was defined.
    pool.warm(tasks)
    const { url, producer, source } = await job.locate()
    const file = await jobFileAt(url)
    const { id, partitions, shared } = job
    return new LocalChannel(pool, pool.lease(file, { id, partitions, producer, ...(source && { source }), ...(shared && { shared }) }))
  }

  /** Lets the slots end with their last user. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close() {
    if (!this.#leave()) return
    pools.delete(this.#key)
    await this.#shared.pool.close()
  }

  /** Lets the slots stay warm for a while, for the next job. */
  release(): void {
    if (!this.#leave()) return
    this.#shared.idleTimer = setTimeout(() => {
      pools.delete(this.#key)
      void this.#shared.pool.close()
    }, IDLE_MS).unref()
  }

  /** Whether nobody is left. */
  #leave(): boolean {
    if (!this.#open) return false
    this.#open = false
    return --this.#shared.users === 0
  }
}

class LocalChannel implements Channel {
  readonly #pool: SlotPool
  readonly #lease: Lease<Attempt>

  constructor(pool: SlotPool, lease: Lease<Attempt>) {
    this.#pool = pool
    this.#lease = lease
  }

  listen(events: ChannelEvents): void {
    this.#lease.listen({
      started: (attempt) => events.started(attempt),
      ended: (attempt, outcome, pid) => {
        if ('bytes' in outcome) events.partial(attempt, outcome.bytes)
        else events.failed(attempt, outcome.code, restoreError(outcome.error), `slot pid ${pid}`)
      },
      lost: (attempt, loss) => events.lost(attempt, { host: hostname(), ...loss }),
      broken: (error) => events.broken(error),
    })
  }

  get hasRoom(): boolean {
    return this.#lease.hasRoom
  }

  get workers(): number {
    return this.#pool.size
  }

  send(attempt: Attempt): void {
    this.#lease.send(attempt, attempt.task)
  }

  stop(attempt: Attempt): void {
    this.#lease.stop(attempt)
  }

  close(): boolean {
    this.#lease.close()
    return true
  }
}
