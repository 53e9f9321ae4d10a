import { PymarError } from '../errors.ts'
import { clearTimeout, now, setTimeout } from '../timers.ts'
import { PROTOCOL, type ReplyMessage } from '../wire/protocol.ts'
import type { AmqpClient } from './amqp-client.ts'
import { isUnanswered } from './amqp-session.ts'

export interface WorkersSettings {
  readonly producer: string
  readonly fingerprint: string
  /** Whether the queue is one that workers may not know of. */
  readonly quorum: boolean
  readonly workerTimeoutMs: number
  /** The command that starts a worker. */
  readonly command: string
}

/** So long without a worker, in milliseconds, and the command that starts one is said. */
const SAY_AFTER_MS = 2000
const LOOK_MS = 1000
/** Workers are asked every five seconds; one that has not answered for so long, in milliseconds, is not there. */
const STALE_MS = 12_000
/** Where nobody consumes they are asked at each look, and one that is silent for so many is not there. Looks, since a process that was busy hears late. */
const SILENT_LOOKS = 5

/** So many declarations more at which the connection was lost than others, and it is by them that it is lost. */
const MANY_LOSSES = 4

/** There is no worker, the queue is not let us have, or takes no tasks. */
type Why = 'alone' | 'denied' | 'refused'

/** Workers of one queue, with when each was last heard of. */
export type Roster = Map<string, { readonly slots: number; at: number }>

/** Who takes the tasks of one job's queue. */
export class Workers {
  readonly #client: AmqpClient
  readonly #queue: string
  readonly #settings: WorkersSettings
  readonly #roster: Roster
  /** Workers of this producer's name that run other code, with its fingerprint. */
  readonly #strangers = new Map<string, string>()
  /** Those that speak another protocol, with which. */
  readonly #foreigners = new Map<string, number>()
  /** When a worker was last seen, or it was begun to look for one. */
  #since = now()
  /** Looks in a row that found nobody who consumes its queue. */
  #aloneLooks = 0
  /** Declarations at which the connection was lost, less those that it has outlived. */
  #losses = 0
  /** Since when the broker does not let it have its queue. */
  #deniedSince: number | undefined
  #timer: NodeJS.Timeout | undefined
  /** Why it waits, as far as that was said. */
  readonly #said = new Set<Why>()
  #asked = false
  #closed = false

  constructor(client: AmqpClient, queue: string, settings: WorkersSettings) {
    this.#client = client
    this.#queue = queue
    this.#settings = settings
    this.#roster = client.roster(queue)
  }

  /** Workers that have said that they are there. */
  get count(): number {
    return this.slots === 0 ? 0 : this.#roster.size
  }

  /** Slots of all workers that have said that they are there. */
  get slots(): number {
    let slots = 0
    for (const [worker, seen] of this.#roster) {
      if (now() - seen.at > STALE_MS) this.#roster.delete(worker)
      else slots += seen.slots
    }
    return slots
  }

  /** Workers that have said something not long ago. */
  get present(): string[] {
    return [...this.#roster].flatMap(([worker, { at }]) => (now() - at > STALE_MS ? [] : [worker]))
  }

  /** Looks whether there are workers, as long as the job runs. @param failed Told if there is none for too long. */
  watch(failed: (error: PymarError) => void): void {
    // The jobs before this one have seen some, so that is not worth a question, unless it takes longer.
    if (this.slots > 0) {
      this.#timer = setTimeout(() => void this.#look(failed), LOOK_MS)
      return
    }
    this.ask()
    void this.#look(failed)
  }

  /** Has all workers of this queue say that they are there. */
  ask(): void {
    const { quorum } = this.#settings
    this.#client.control.workersOf(this.#queue, { type: 'who', ...(quorum && { quorum }) })
  }

  /** Declares the queue, and says how many tasks wait there, and how many workers take some. */
  async declare(): Promise<{ messageCount: number; consumerCount: number }> {
    try {
      const found = await this.#client.declare(this.#queue)
      // While somebody else declares in vain what cannot be declared, it seems to be there.
      this.#losses = Math.max(0, this.#losses - 1)
      if (this.#losses === 0) this.#deniedSince = undefined
      return found
    } catch (error) {
      if (isUnanswered(error)) this.#losses = Math.min(MANY_LOSSES, this.#losses + 1)
      throw error
    }
  }

  here(worker: string, { producer, fingerprint, slots }: ReplyMessage & { type: 'here' }): void {
    if (producer !== this.#settings.producer) return
    if (fingerprint === this.#settings.fingerprint) this.#roster.set(worker, { slots, at: now() })
    else this.#strangers.set(worker, fingerprint)
  }

  /** A worker has said something, whatever it was. */
  heard(worker: string): void {
    const seen = this.#roster.get(worker)
    if (seen) seen.at = now()
  }

  /** The broker takes no tasks. */
  refused(): void {
    this.#say(
      'refused',
      `the broker refuses tasks for queue ${this.#queue}: it may be full, as a policy says; leave queues of Pymar out of that`,
    )
  }

  otherVersion(worker: string, protocol: number): void {
    this.#foreigners.set(worker, protocol)
  }

  left(worker: string): void {
    this.#roster.delete(worker)
    this.#strangers.delete(worker)
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  async #look(failed: (error: PymarError) => void): Promise<void> {
    const found = await this.declare().catch((error: unknown) => ({ error }))
    if (this.#closed) return
    const consumers = 'error' in found ? undefined : found.consumerCount
    if ('error' in found && this.#isDenied(found.error, failed)) return
    if (consumers && this.slots === 0) this.ask()
    this.#notice(consumers)
    // A worker that holds all that it may consumes nothing for a while.
    if (consumers === 0 && this.slots === 0) this.#miss(failed)
    else this.#since = now()
    if (!this.#closed) this.#timer = setTimeout(() => void this.#look(failed), LOOK_MS)
  }

  /** A connection that is lost meanwhile is for the client to say. A queue whose machine is away may come back with it. */
  #isDenied(error: unknown, failed: (error: PymarError) => void): boolean {
    const denial = this.#client.denialOf(this.#queue, error, this.#losses === MANY_LOSSES)
    if (!denial) return false
    this.#deniedSince ??= now()
    const waitedMs = now() - this.#deniedSince
    const isFinal = denial.isFinal || waitedMs > this.#client.timeoutMs
    if (isFinal) failed(denial.error)
    else if (waitedMs > SAY_AFTER_MS) this.#say('denied', denial.error.message)
    return isFinal
  }

  /** Those that hold all they may consume nothing either, but answer. Others were there, and are not. */
  #notice(consumers: number | undefined) {
    this.#aloneLooks = consumers === 0 ? this.#aloneLooks + 1 : 0
    if (this.#aloneLooks > 0) this.ask()
    if (this.#aloneLooks < SILENT_LOOKS) return
    for (const [worker, { at }] of this.#roster) if (now() - at > SILENT_LOOKS * LOOK_MS) this.#roster.delete(worker)
  }

  #say(why: Why, found: string) {
    if (this.#said.has(why)) return
    this.#said.add(why)
    console.error(`${this.#settings.producer} waits: ${found}`)
  }

  #miss(failed: (error: PymarError) => void) {
    const waitedMs = now() - this.#since
    const { workerTimeoutMs, producer } = this.#settings
    if (!this.#asked) {
      this.#client.control.namesakes(producer, { type: 'who' })
      this.#client.control.greet(producer)
    }
    this.#asked = true
    const found = `no worker takes its tasks${this.#others()}; start one: ${this.#settings.command}`
    if (waitedMs > workerTimeoutMs) {
      return failed(new PymarError('NO_WORKERS', `Cannot compute ${producer} within workerTimeoutMs ${workerTimeoutMs}: ${found}`))
    }
    if (waitedMs > SAY_AFTER_MS) this.#say('alone', found)
  }

  #others(): string {
    const [foreigner] = this.#foreigners
    if (foreigner) {
      const [worker, protocol] = foreigner
      const found = `${worker} speaks protocol ${protocol}, this script ${PROTOCOL}`
      return `, and a worker of that name has another version of @pymar/core (${found}): install the same on both sides`
    }
    const { size } = this.#strangers
    if (size === 0) return ''
    const list = Array.from(this.#strangers, ([worker, fingerprint]) => `${worker} has fingerprint ${fingerprint}`).join(', ')
    const others = size === 1 ? 'a worker of that name runs' : `${size} workers of that name run`
    return `, and ${others} other code (${list}, this script ${this.#settings.fingerprint})`
  }
}
