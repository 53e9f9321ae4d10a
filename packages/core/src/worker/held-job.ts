import { type ErrorCode, messageOf, PymarError } from '../errors.ts'
import type { JobFileAt } from '../job/job-file.ts'
import type { Outcome, Task } from '../job/run.ts'
import type { Lease } from '../slot/lease.ts'
import type { SlotPool } from '../slot/pool.ts'
import { clearTimeout, now, setTimeout } from '../timers.ts'
import { keyOf } from '../transport/port.ts'
import { encode } from '../wire/codec.ts'
import type { TaskEntry } from '../wire/protocol.ts'
import type { Delivery } from './delivery.ts'
import type { Replies } from './replies.ts'

/** One task that this worker computes. */
interface HeldTask {
  readonly index: number
  readonly attempt: number
  /** Called when its answer is with the broker, or nobody waits for it. One that was delivered again has several. */
  readonly done: (() => void)[]
  /** Milliseconds after which it is reported that it runs: at once where somebody may have had it before, and be gone because of it. */
  readonly reportMs: number
  /** Since when a slot computes it, and what reports that. */
  running?: { readonly since: number; readonly report: NodeJS.Timeout }
  /** Whether its answer is on its way. */
  answered: boolean
}

/** What came with a task. */
interface Brought {
  readonly hint: Uint8Array | undefined
  readonly slice: Uint8Array | undefined
  readonly redelivered: boolean
}

/** How an attempt ended. */
type Answer =
  | { readonly type: 'partial'; readonly ms: number }
  | { readonly type: 'failed'; readonly code: ErrorCode }
  | { readonly type: 'lost'; readonly pid: number; readonly exit: string }
  | { readonly type: 'returned' }

/** A task that runs longer than this, in milliseconds, is reported. */
const REPORT_MS = 20

export interface HeldJobSettings {
  readonly pool: SlotPool
  readonly file: JobFileAt
  readonly replies: Replies
  /** Slots that have to be replaced cannot load the job file any more. */
  unloadable(error: unknown): void
  log(line: string): void
}

/** One job of some producer, as far as this worker computes it. */
export class HeldJob {
  readonly id: string
  readonly replyTo: string
  /** Whether it is computed also while nobody waits for the answers. */
  readonly keep: boolean
  readonly #replies: Replies
  readonly #unloadable: (error: unknown) => void
  readonly #lease: Lease<HeldTask>
  #isOver = false
  /** By index and attempt. */
  readonly #tasks = new Map<string, HeldTask>()

  constructor({ pool, file, replies, unloadable, log }: HeldJobSettings, { message, producer, replyTo }: Delivery, shared?: Uint8Array) {
    const { job: id, of: partitions, source, keep = false } = message
    this.id = id
    this.keep = keep
    this.replyTo = replyTo
    this.#replies = replies
    this.#unloadable = unloadable
    this.#lease = pool.lease(file, {
      id,
      partitions,
      producer: { name: producer },
      ...(source !== undefined && { source: { name: source } }),
      ...(shared && { shared }),
    })
    this.#lease.listen({
      started: (task) => this.#started(task),
      ended: (task, outcome) => this.#ended(task, outcome),
      lost: (task, { pid, exit }) => {
        log(`slot ${pid} ended with ${exit} while it computed partition ${task.index} of the ${partitions} of ${producer}, job ${id}`)
        this.#answer(task, { type: 'lost', pid, exit })
      },
      broken: (error) => this.#broken(error),
    })
  }

  /** Whether nothing more can be computed with it. */
  get isOver(): boolean {
    return this.#isOver
  }

  compute([index, attempt, offset, limit]: TaskEntry, { hint, slice, redelivered }: Brought, done: () => void): void {
    const key = keyOf({ id: index, attempt })
    const held = this.#tasks.get(key)
    // The broker has given it to this worker again, after a connection was lost.
    if (held) return void held.done.push(done)
    const task: HeldTask = { index, attempt, done: [done], reportMs: redelivered ? 0 : REPORT_MS, answered: false }
    this.#tasks.set(key, task)
    const partition = { index, offset, limit }
    this.#lease.send(task, { kind: 'partition', partition, attempt, ...(hint && { hint }), ...(slice && { slice }) } satisfies Task)
  }

  /** Whether this attempt was given to its slots. */
  has(index: number, attempt: number): boolean {
    return this.#tasks.has(keyOf({ id: index, attempt }))
  }

  /** How many attempts its slots compute. */
  get running(): number {
    let running = 0
    for (const task of this.#tasks.values()) if (task.running && !task.answered) running++
    return running
  }

  isRunning(index: number, attempt: number): boolean {
    return this.#tasks.get(keyOf({ id: index, attempt }))?.running !== undefined
  }

  /** Nobody waits for this attempt any more. */
  stop(index: number, attempt: number): void {
    const task = this.#tasks.get(keyOf({ id: index, attempt }))
    if (!task) return
    this.#lease.stop(task)
    this.#forget(task)
  }

  /** Gives back those of these tasks that have not begun. */
  giveBack(tasks: Iterable<TaskEntry>): void {
    for (const [index, attempt] of tasks) {
      const task = this.#tasks.get(keyOf({ id: index, attempt }))
      if (task && !task.running) this.#giveBack(task)
    }
  }

  /** Gives back all there is. */
  giveUp(): void {
    for (const task of [...this.#tasks.values()]) this.#giveBack(task)
  }

  /** Nobody waits for any of it. */
  close(): void {
    this.#lease.close()
    for (const task of [...this.#tasks.values()]) this.#forget(task)
  }

  #giveBack(task: HeldTask) {
    this.#lease.stop(task)
    this.#answer(task, { type: 'returned' })
  }

  #started(task: HeldTask) {
    const { index, attempt } = task
    const report = () => this.#replies.send(this.replyTo, { type: 'started', job: this.id, index, attempt })
    task.running = { since: now(), report: setTimeout(report, task.reportMs).unref() }
  }

  #ended(task: HeldTask, outcome: Outcome) {
    const ms = task.running ? now() - task.running.since : 0
    if ('bytes' in outcome) return this.#answer(task, { type: 'partial', ms }, outcome.bytes)
    this.#answer(task, { type: 'failed', code: outcome.code }, encode(outcome.error, 'an error'))
  }

  /** No slot can compute any of it. That is no fault of the job: others may. */
  #broken(error: unknown) {
    this.#isOver = true
    const cannotStart = error instanceof PymarError && error.code === 'WORKER_LOST'
    for (const task of [...this.#tasks.values()]) {
      this.#answer(task, cannotStart ? { type: 'lost', pid: process.pid, exit: messageOf(error) } : { type: 'returned' })
    }
    if (!cannotStart) this.#unloadable(error)
  }

  #answer(task: HeldTask, answer: Answer, payload?: Uint8Array) {
    const { index, attempt } = task
    if (task.answered || this.#tasks.get(keyOf({ id: index, attempt })) !== task) return
    task.answered = true
    clearTimeout(task.running?.report)
    this.#replies.send(this.replyTo, { ...answer, job: this.id, index, attempt }, payload, () => this.#forget(task))
  }

  #forget(task: HeldTask) {
    const key = keyOf({ id: task.index, attempt: task.attempt })
    if (this.#tasks.get(key) !== task) return
    this.#tasks.delete(key)
    clearTimeout(task.running?.report)
    for (const done of task.done) done()
  }
}
