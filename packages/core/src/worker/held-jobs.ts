import type { JobFileAt } from '../job/job-file.ts'
import type { SlotPool } from '../slot/pool.ts'
import { setTimeout } from '../timers.ts'
import type { Delivery } from './delivery.ts'
import type { Fetches } from './fetches.ts'
import { HeldJob } from './held-job.ts'
import type { Presence } from './presence.ts'
import type { Replies } from './replies.ts'

export interface HeldJobsSettings {
  readonly pool: SlotPool
  readonly file: JobFileAt
  readonly replies: Replies
  readonly fetches: Fetches
  /** Whether producers are there: looked for, and found or not. */
  presence(): Pick<Presence, 'isThere' | 'look'>
  /** What this worker holds. */
  deliveries(): Iterable<Delivery>
  /** The broker is to give it to somebody else. */
  giveBack(delivery: Delivery): void
  /** Slots that have to be replaced cannot load the job file any more. */
  unloadable(error: unknown): void
  /** Details. */
  log(line: string): void
}

/** Tasks that came together are thought to be short; those that have not begun after so long, in milliseconds, are for others to take too. */
const SHARE_MS = 50
/** Jobs that are known to be over, so that what is left of them in the queue costs nothing. */
const STOPPED_LIMIT = 10_000

/** What becomes of deliveries: each waits until its producer is known to be there, gets what it lacks, and is computed with its job. */
export class HeldJobs {
  readonly #settings: HeldJobsSettings
  readonly #jobs = new Map<string, HeldJob>()
  readonly #stopped = new Set<string>()
  /** Deliveries that wait until it is known whether their producer is there. */
  readonly #parked = new Map<string, Delivery[]>()

  constructor(settings: HeldJobsSettings) {
    this.#settings = settings
  }

  /** Where the producers of these jobs wait for answers. */
  get replyQueues(): Set<string> {
    return new Set(Array.from(this.#jobs.values(), ({ replyTo }) => replyTo))
  }

  /** How many attempts its slots compute. */
  get running(): number {
    let running = 0
    for (const job of this.#jobs.values()) running += job.running
    return running
  }

  /** Whether a slot computes this attempt. */
  isRunning(job: string, index: number, attempt: number): boolean {
    return this.#jobs.get(job)?.isRunning(index, attempt) ?? false
  }

  take(delivery: Delivery): void {
    const { replyTo, message, producer } = delivery
    const { job, of, tasks } = message
    if (this.#stopped.has(job)) return delivery.drop()
    const which = tasks.length === 1 ? `partition ${tasks[0]?.[0]}` : `${tasks.length} partitions from ${tasks[0]?.[0]}`
    this.#settings.log(`takes ${which} of the ${of} of ${producer}, job ${job}`)
    const presence = this.#settings.presence()
    if (presence.isThere(replyTo)) return this.#compute(delivery)
    this.#parked.set(replyTo, [...(this.#parked.get(replyTo) ?? []), delivery])
    presence.look(replyTo)
  }

  /** A producer's process is there: what waits for that begins. */
  there(replyTo: string): void {
    const parked = this.#parked.get(replyTo)
    this.#parked.delete(replyTo)
    for (const delivery of parked ?? []) this.#compute(delivery)
  }

  /** Nobody waits for answers now, and somebody may later: what is worth that begins, if it needs nothing from there. */
  unheard(replyTo: string): void {
    const parked = this.#parked.get(replyTo) ?? []
    const ready = parked.filter((delivery) => this.#isWorth(delivery))
    const others = parked.filter((delivery) => !ready.includes(delivery))
    if (others.length > 0) this.#parked.set(replyTo, others)
    else this.#parked.delete(replyTo)
    for (const delivery of ready) this.#compute(delivery)
  }

  /** A producer's process is gone, and its reply queue is not: what is worth it goes on. */
  left(replyTo: string): void {
    const mine = [...this.#settings.deliveries()].filter((delivery) => delivery.replyTo === replyTo)
    const goesOn =
      mine.some((delivery) => this.#isWorth(delivery)) || [...this.#jobs.values()].some((job) => job.replyTo === replyTo && job.keep)
    if (!goesOn) return this.#dropAll(replyTo)
    this.#parked.delete(replyTo)
    // What is to be fetched for them will not come; whoever goes on with the job sends them again.
    for (const delivery of mine) if (!this.#isWorth(delivery)) delivery.drop()
  }

  /** Whether it can be computed, and is worth that, without its producer. */
  #isWorth({ message: { keep, job, shared, tasks } }: Delivery): boolean {
    const needsData = (shared === -1 && !this.#known(job)) || tasks.some(([, , , , , itemBytes]) => itemBytes === -1)
    return keep === true && !needsData
  }

  /** Nobody waits for what this producer's process has sent, nor will. */
  gone(replyTo: string): void {
    this.#settings.replies.drop(replyTo)
    this.#dropAll(replyTo)
  }

  /** Should its producer's process come back, it finds that this worker does not hold them, and sends them again. */
  #dropAll(replyTo: string) {
    const held = [...this.#jobs.values(), ...this.#settings.deliveries()].filter((one) => one.replyTo === replyTo)
    if (held.length > 0) this.#settings.log(`drops what ${replyTo} has sent: nobody waits there for answers`)
    this.#parked.delete(replyTo)
    for (const one of held) this.#drop('id' in one ? one.id : one.message.job)
  }

  /** A job is over, and what is still to come of it is dropped too. */
  stop(id: string): void {
    this.#stopped.add(id)
    for (const oldest of this.#stopped) {
      if (this.#stopped.size <= STOPPED_LIMIT) break
      this.#stopped.delete(oldest)
    }
    this.#drop(id)
  }

  /** Nobody waits for this attempt any more. */
  stopTask(job: string, index: number, attempt: number): void {
    this.#jobs.get(job)?.stop(index, attempt)
    // It may be waiting for its items.
    for (const delivery of this.#deliveriesOf(job)) {
      for (const task of delivery.open) if (task[0] === index && task[1] === attempt) delivery.done(task)
    }
  }

  /** Gives back what has not begun. */
  giveBack(): void {
    this.#parked.clear()
    for (const delivery of [...this.#settings.deliveries()]) {
      const job = this.#jobs.get(delivery.message.job)
      // Otherwise it waits for its producer, or for its items.
      if (job && delivery.open.some(([index, attempt]) => job.has(index, attempt))) job.giveBack(delivery.open)
      else this.#settings.giveBack(delivery)
    }
  }

  /** Gives back all there is. */
  giveUp(): void {
    for (const job of this.#jobs.values()) job.giveUp()
  }

  close(): void {
    for (const job of this.#jobs.values()) job.close()
  }

  #deliveriesOf(job: string): Delivery[] {
    return [...this.#settings.deliveries()].filter(({ message }) => message.job === job)
  }

  /** Drops what is held of a job. */
  #drop(id: string) {
    this.#jobs.get(id)?.close()
    this.#jobs.delete(id)
    this.#settings.fetches.drop(id)
    for (const delivery of this.#deliveriesOf(id)) delivery.drop()
  }

  #compute(delivery: Delivery) {
    const { message, payload, replyTo, redelivered } = delivery
    const { job, shared, tasks } = message
    const { fetches } = this.#settings
    let at = 0
    const next = (bytes = 0) => {
      if (bytes <= 0) return undefined
      at += bytes
      return payload.slice(at - bytes, at)
    }
    const inline = next(shared)
    const withJob = (held: HeldJob) => {
      for (const task of tasks) {
        const [index, , , , hintBytes, itemBytes] = task
        const hint = next(hintBytes)
        const compute = (slice: Uint8Array | undefined) => {
          if (delivery.isOpen(task)) held.compute(task, { hint, slice, redelivered }, () => delivery.done(task))
        }
        if (itemBytes !== -1) compute(next(itemBytes))
        else fetches.fetch(replyTo, { job, what: 'items', index }, (items) => (items ? compute(items) : delivery.done(task)))
      }
      if (tasks.length > 1) setTimeout(() => held.giveBack(delivery.open), SHARE_MS).unref()
    }
    if (this.#stopped.has(job)) return delivery.drop()
    const known = this.#known(job)
    if (known) return withJob(known)
    const use = (bytes: Uint8Array | undefined) => withJob(this.#job(delivery, bytes))
    if (shared !== -1) return use(inline)
    fetches.fetch(replyTo, { job, what: 'shared', index: 0 }, (bytes) => (bytes ? use(bytes) : delivery.drop()))
  }

  /** A job whose tasks can be computed here. */
  #known(id: string): HeldJob | undefined {
    const job = this.#jobs.get(id)
    return job?.isOver ? undefined : job
  }

  #job(delivery: Delivery, shared: Uint8Array | undefined): HeldJob {
    const known = this.#known(delivery.message.job)
    if (known) return known
    const job = new HeldJob(this.#settings, delivery, shared)
    this.#jobs.set(job.id, job)
    return job
  }
}
