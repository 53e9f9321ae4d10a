import type { Outcome, Work } from '../job/run.ts'
import type { SlotJob } from './messages.ts'
import type { Assignment, JobFileAt, Slot } from './slot.ts'

/** How an attempt was lost with the slot that ran it. */
interface SlotLoss {
  readonly pid: number
  readonly exit: string
}

/** What the owner of a lease is told of its tasks, each known by the key that it was sent with. */
export interface LeaseEvents<Key> {
  started(key: Key): void
  ended(key: Key, outcome: Outcome, pid: number): void
  /** The slot died while it ran this task. Tasks that had not begun go to another slot unasked. */
  lost(key: Key, loss: SlotLoss): void
  /** The job file cannot be used: no task of this lease will end. */
  broken(error: unknown): void
}

/** A task of a lease: in its queue, or on a slot. */
export interface LeasedTask extends Assignment {
  readonly lease: Lease<unknown>
  readonly key: unknown
  /** The slot that it was given to, once it was. */
  slot?: Slot<LeasedTask>
}

/** What a lease asks of its pool. */
export interface Scheduler {
  /** Tasks that a lease may queue: what keeps every slot busy. */
  readonly queueLimit: number
  ticket(): number
  assign(): void
  close(): void
}

/** One job's share of a pool: the queue of its tasks, and which of them are where. */
export class Lease<Key> {
  readonly file: JobFileAt
  readonly job: SlotJob
  events: LeaseEvents<Key> | undefined
  readonly #scheduler: Scheduler
  readonly #tasks = new Map<Key, LeasedTask>()
  #queue: LeasedTask[] = []

  constructor(file: JobFileAt, job: SlotJob, scheduler: Scheduler) {
    this.file = file
    this.job = job
    this.#scheduler = scheduler
  }

  listen(events: LeaseEvents<Key>): void {
    this.events = events
  }

  get queued(): number {
    return this.#queue.length
  }

  /** Whether another task would be of use now. */
  get hasRoom(): boolean {
    return this.#queue.length < this.#scheduler.queueLimit
  }

  send(key: Key, work: Work): void {
    this.#queue.push(this.#enter(key, work))
    this.#scheduler.assign()
  }

  /** Nobody waits for this task any more. */
  stop(key: Key): void {
    const task = this.#tasks.get(key)
    if (!task) return
    this.#tasks.delete(key)
    if (task.slot) task.slot.withdraw(task)
    else this.#queue = this.#queue.filter((other) => other !== task)
  }

  /** Stops all tasks; a slot that one of them holds is free again, or killed, within half a second. */
  close(): void {
    const tasks = [...this.#tasks.values()]
    // Forgotten first: what a slot gives back meanwhile must not be queued again.
    this.#tasks.clear()
    this.#queue = []
    for (const task of tasks) task.slot?.withdraw(task)
    this.#scheduler.close()
  }

  /** For the pool: none of its tasks will end. */
  fail(error: unknown): void {
    this.close()
    this.events?.broken(error)
  }

  /** For the pool: the next task of the queue, on its way to a slot. */
  take(slot: Slot<LeasedTask>): void {
    const task = this.#queue.shift() as LeasedTask
    task.slot = slot
    slot.give(task)
  }

  /** For the pool: a task that a slot gave back before it began. It goes to another slot, or to the head of the queue. */
  again(task: LeasedTask, slot?: Slot<LeasedTask>): void {
    const key = task.key as Key
    if (this.#tasks.get(key) !== task) return
    this.#queue.unshift(this.#enter(key, task.work))
    if (slot) this.take(slot)
  }

  /** For the pool: a task has ended, one way or another. */
  settle(task: LeasedTask): void {
    if (this.#tasks.get(task.key as Key) === task) this.#tasks.delete(task.key as Key)
  }

  #enter(key: Key, work: Work): LeasedTask {
    const ticket = this.#scheduler.ticket()
    const task: LeasedTask = { lease: this as Lease<unknown>, key, ticket, file: this.file, job: this.job, work, withdrawn: false }
    this.#tasks.set(key, task)
    return task
  }
}
