import type { JobFileAt } from '../job/job-file.ts'
import type { ExportedClass } from '../job/load.ts'
import type { Outcome, Task } from '../job/run.ts'
import { clearTimeout, now, setTimeout } from '../timers.ts'
import type { ErrorRecord } from '../wire/error-record.ts'
import { type FromSlot, type SlotJob, split } from './messages.ts'
import { type Exit, SlotProcess, type SlotSettings } from './slot-process.ts'

/** A task that a slot was given. */
export interface Assignment {
  readonly ticket: number
  readonly file: JobFileAt
  readonly job: SlotJob
  readonly task: Task
  /** Nobody waits for it any more, or another slot was given it. */
  withdrawn: boolean
}

/** What a slot tells its pool. */
export interface SlotOwner<A extends Assignment> {
  loaded(slot: Slot<A>, classes: readonly ExportedClass[]): void
  /** The job file's import takes its time. */
  slowLoad(file: JobFileAt): void
  started(slot: Slot<A>, assignment: A): void
  ended(slot: Slot<A>, assignment: A, outcome: Outcome): void
  /** The slot can take tasks again. */
  free(slot: Slot<A>): void
  /** Tasks that have not begun, and will not begin here. */
  returned(tasks: A[]): void
  /** The job file cannot be used. */
  broken(slot: Slot<A>, error: ErrorRecord): void
  /** The process has ended. `running` is the task that it was computing. */
  gone(slot: Slot<A>, exit: Exit, running: A | undefined): void
}

/** A slot that a cancelled task holds is killed after this long, in milliseconds. */
const ABORT_GRACE_MS = 500
/** An import that takes longer than this, in milliseconds, is spoken of. */
const SLOW_LOAD_MS = 10_000
/** Tasks on one slot at once: as many as take so long, in milliseconds, so that the way to it hides behind them. */
export const AHEAD_MS = 2
const AHEAD_LIMIT = 64
/** The weight of the last task in the moving mean. */
const LAST_WEIGHT = 0.25

/**
 * A slot with the tasks that it was given: the first of them runs, as soon as the job file is loaded; the others wait
 * in the child. A withdrawn task stays in the list until the child says that it is out of the way.
 */
export class Slot<A extends Assignment> {
  readonly #owner: SlotOwner<A>
  readonly #process: SlotProcess
  readonly #jobs = new Set<string>()
  readonly #assignments: A[] = []
  #file: JobFileAt | undefined
  #boundAt = 0
  #loaded = false
  #leaving = false
  #killTimer: NodeJS.Timeout | undefined
  #loadTimer: NodeJS.Timeout | undefined
  #since = 0
  #meanMs = AHEAD_MS

  constructor(settings: SlotSettings, owner: SlotOwner<A>) {
    this.#owner = owner
    this.#process = new SlotProcess(settings, {
      message: (message) => this.#receive(message),
      ended: (exit) => this.#gone(exit),
    })
  }

  get pid(): number {
    return this.#process.pid
  }

  /** The job file that it loads, or undefined as long as that is open. */
  get file(): JobFileAt | undefined {
    return this.#file
  }

  /** For how long it has belonged to that file, in milliseconds. */
  get boundMs(): number {
    return now() - this.#boundAt
  }

  get loaded(): boolean {
    return this.#loaded
  }

  /** Whether its end was asked for. */
  get leaving(): boolean {
    return this.#leaving
  }

  get idle(): boolean {
    return this.#assignments.length === 0
  }

  /** Tasks that it has: the one that runs, and those that wait behind it. */
  get held(): number {
    return this.#assignments.length
  }

  /** How many more tasks it should be given. */
  get room(): number {
    if (this.#leaving || this.#killTimer) return 0
    const ahead = this.#loaded ? Math.min(AHEAD_LIMIT, Math.max(1, Math.round(AHEAD_MS / this.#meanMs))) : 1
    return ahead - this.#assignments.length
  }

  /** Imports the job file, if it has none yet: the first task would do that too. */
  load(file: JobFileAt): void {
    if (this.#file) return
    this.#file = file
    this.#boundAt = now()
    this.#loadTimer = setTimeout(() => this.#owner.slowLoad(file), SLOW_LOAD_MS).unref()
    this.#process.send({ type: 'load', file })
  }

  give(assignment: A): void {
    const { file, job, ticket, task } = assignment
    this.load(file)
    if (!this.#jobs.has(job.id)) {
      this.#jobs.add(job.id)
      // How long the partitions of another job took says nothing of this one's.
      this.#meanMs = AHEAD_MS
      this.#process.send({ type: 'open', job })
    }
    this.#assignments.push(assignment)
    const { pieces, rest } = split(task)
    for (const partials of pieces) this.#process.send({ type: 'partials', ticket, partials })
    this.#process.send({ type: 'run', ticket, job: job.id, task: rest })
    if (this.#assignments.length === 1) this.#next()
  }

  /** Whether tasks wait here behind one that takes longer than the way to another slot. */
  get isStuck(): boolean {
    return this.#assignments.length > 1 && now() - this.#since > AHEAD_MS
  }

  /** The last of the tasks that wait behind others, for a slot that has nothing to do. */
  takeBack(): A | undefined {
    const last = this.#assignments.at(-1)
    if (this.#assignments.length < 2 || !last || last.withdrawn) return undefined
    this.#drop(last)
    return last
  }

  /** Nobody waits for this task any more: it is stopped, if need be with the process. */
  withdraw(assignment: A): void {
    if (!this.#assignments.includes(assignment) || assignment.withdrawn) return
    if (assignment !== this.#assignments[0]) return this.#drop(assignment)
    assignment.withdrawn = true
    this.#abort(assignment)
  }

  closeJob(id: string): void {
    if (this.#jobs.delete(id)) this.#process.sendLater({ type: 'close', job: id })
  }

  /** Ends an idle slot; a busy one is killed. */
  leave(): void {
    this.#leaving = true
    if (this.idle) this.#process.end()
    else this.#process.kill()
  }

  kill(): void {
    this.#leaving = true
    this.#process.kill()
  }

  /** It will never answer, for this reason. */
  giveUp(how: string): void {
    this.#leaving = true
    this.#process.giveUp(how)
  }

  #receive(message: FromSlot) {
    switch (message.type) {
      case 'up':
        return
      case 'loaded':
        this.#loaded = true
        clearTimeout(this.#loadTimer)
        this.#owner.loaded(this, message.classes)
        return this.#next()
      case 'broken':
        return this.#broken(message.error)
      case 'dropped':
        if (this.#shouldHaveBegun(message.ticket)) this.kill()
        return this.#settle(message.ticket)
      case 'ended': {
        this.#meanMs += LAST_WEIGHT * (now() - this.#since - this.#meanMs)
        if (message.last) this.#last()
        this.#settle(message.ticket, message.outcome)
      }
    }
  }

  /** Whether a task that has not begun had every reason to: then the process hears, and computes nothing. */
  #shouldHaveBegun(ticket: number): boolean {
    return this.#loaded && this.#assignments[0]?.ticket === ticket && now() - this.#since > ABORT_GRACE_MS
  }

  /** The process is about to end by itself; what waits here begins elsewhere. */
  #last() {
    this.#leaving = true
    setTimeout(() => this.kill(), ABORT_GRACE_MS).unref()
    this.#returnWaiting(1)
  }

  #broken(record: ErrorRecord) {
    this.kill()
    this.#owner.broken(this, record)
  }

  /** A task is out of the way. */
  #settle(ticket: number, outcome?: Outcome) {
    const at = this.#assignments.findIndex((assignment) => assignment.ticket === ticket)
    const [assignment] = at < 0 ? [] : this.#assignments.splice(at, 1)
    if (!assignment) return
    if (at === 0) {
      clearTimeout(this.#killTimer)
      this.#killTimer = undefined
      this.#next()
    }
    if (outcome && !assignment.withdrawn) this.#owner.ended(this, assignment, outcome)
    this.#owner.free(this)
  }

  /** The first task begins, as far as can be told from here; a withdrawn one may have begun before it could be dropped. */
  #next() {
    const [assignment] = this.#assignments
    if (!assignment || !this.#loaded) return
    this.#since = now()
    if (assignment.withdrawn) this.#abort(assignment)
    else if (!this.#leaving) this.#owner.started(this, assignment)
  }

  #drop(assignment: A) {
    assignment.withdrawn = true
    this.#process.send({ type: 'drop', ticket: assignment.ticket })
  }

  /** Gets the first task out of the way: one that runs, or one that waits for a job file whose import does not end. */
  #abort({ ticket }: A) {
    if (this.#loaded) this.#process.send({ type: 'abort', ticket, reason: 'the job does not need this partition any more' })
    else this.#process.send({ type: 'drop', ticket })
    this.#killTimer ??= setTimeout(() => this.kill(), ABORT_GRACE_MS).unref()
    this.#returnWaiting(1)
  }

  #returnWaiting(from: number) {
    const waiting = this.#assignments.slice(from).filter((assignment) => !assignment.withdrawn)
    for (const assignment of waiting) this.#drop(assignment)
    if (waiting.length > 0) this.#owner.returned(waiting)
  }

  #gone(exit: Exit) {
    clearTimeout(this.#killTimer)
    clearTimeout(this.#loadTimer)
    const [first, ...others] = this.#assignments.splice(0)
    const running = this.#loaded ? first : undefined
    const waiting = (running || !first ? others : [first, ...others]).filter((assignment) => !assignment.withdrawn)
    this.#owner.gone(this, exit, running?.withdrawn ? undefined : running)
    if (waiting.length > 0) this.#owner.returned(waiting)
  }
}
