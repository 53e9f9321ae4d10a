import type { JobFileAt } from '../job/job-file.ts'
import type { Outcome, Task } from '../job/run.ts'
import type { SlotJob } from './messages.ts'
import type { Assignment, Slot } from './slot.ts'

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
export interface LeaseAssignment extends Assignment {
  readonly lease: Lease<unknown>
  readonly key: unknown
  /** The slot that it was given to, once it was. */
  slot?: Slot<LeaseAssignment>
}

/** What a lease asks of its pool. */
export interface Scheduler {
  /** Tasks that a lease may queue: what keeps every slot busy. */
  readonly queueLimit: number
  ticket(): number
  /** The lease has a task queued. */
  queued(): void
  assign(): void
  close(): void
}

/** One job's share of a pool: the queue of its tasks, and which of them are where. */
export class Lease<Key> {
  readonly file: JobFileAt
  readonly job: SlotJob
  events: LeaseEvents<Key> | undefined
  #failure: { readonly error: unknown } | undefined
  readonly #scheduler: Scheduler
  readonly #assignments = new Map<Key, LeaseAssignment>()
  #queue: LeaseAssignment[] = []

  constructor(file: JobFileAt, job: SlotJob, scheduler: Scheduler) {
    this.file = file
    this.job = job
    this.#scheduler = scheduler
  }

  listen(events: LeaseEvents<Key>): void {
    this.events = events
    if (this.#failure) events.broken(this.#failure.error)
  }

  get queued(): number {
    return this.#queue.length
  }

  /** Whether another task would be of use now. */
  get hasRoom(): boolean {
    return this.#queue.length < this.#scheduler.queueLimit
  }

  send(key: Key, task: Task): void {
    if (this.#failure) return
    this.#queue.push(this.#enter(key, task))
    this.#scheduler.queued()
    this.#scheduler.assign()
  }

  /** Nobody waits for this task any more. */
  stop(key: Key): void {
    const assignment = this.#assignments.get(key)
    if (!assignment) return
    this.#assignments.delete(key)
    if (assignment.slot) assignment.slot.withdraw(assignment)
    else this.#queue = this.#queue.filter((other) => other !== assignment)
  }

  /** Stops all tasks; a slot that one of them holds is free again, or killed, within half a second. */
  close(): void {
    const tasks = [...this.#assignments.values()]
    // Forgotten first: what a slot gives back meanwhile must not be queued again.
    this.#assignments.clear()
    this.#queue = []
    for (const assignment of tasks) assignment.slot?.withdraw(assignment)
    this.#scheduler.close()
  }

  /** For the pool: none of its tasks will end. */
  fail(error: unknown): void {
    this.close()
    this.#failure = { error }
    this.events?.broken(error)
  }

  /** For the pool: the next task of the queue, on its way to a slot. */
  take(slot: Slot<LeaseAssignment>): void {
    const assignment = this.#queue.shift() as LeaseAssignment
    assignment.slot = slot
    slot.give(assignment)
  }

  /** For the pool: a task that a slot gave back before it began. It goes to another slot, or to the head of the queue. */
  again(assignment: LeaseAssignment, slot?: Slot<LeaseAssignment>): void {
    const key = assignment.key as Key
    if (this.#assignments.get(key) !== assignment) return
    this.#queue.unshift(this.#enter(key, assignment.task))
    if (slot) this.take(slot)
    else this.#scheduler.queued()
  }

  /** For the pool: a task has ended, one way or another. */
  settle(assignment: LeaseAssignment): void {
    if (this.#assignments.get(assignment.key as Key) === assignment) this.#assignments.delete(assignment.key as Key)
  }

  #enter(key: Key, task: Task): LeaseAssignment {
    const ticket = this.#scheduler.ticket()
    const assignment: LeaseAssignment = {
      lease: this as Lease<unknown>,
      key,
      ticket,
      file: this.file,
      job: this.job,
      task,
      withdrawn: false,
    }
    this.#assignments.set(key, assignment)
    return assignment
  }
}
