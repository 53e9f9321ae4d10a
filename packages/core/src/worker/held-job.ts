import { type ErrorCode, PymarError } from '../errors.ts'
import type { JobFileAt } from '../job/job-file.ts'
import type { Outcome, Task } from '../job/run.ts'
import type { Lease } from '../slot/lease.ts'
import type { SlotPool } from '../slot/pool.ts'
import { clearTimeout, now, setTimeout } from '../timers.ts'
import { encode } from '../wire/codec.ts'
import { describeError } from '../wire/error-record.ts'
import type { PartitionsMessage, TaskEntry } from '../wire/protocol.ts'
import type { Replies } from './replies.ts'

/** One task that a worker holds, until its answer is with the broker. */
export interface HeldTask {
  readonly index: number
  readonly attempt: number
  /** Called when the broker may forget it. */
  readonly done: () => void
}

/** How an attempt ended. */
type Answer =
  | { readonly type: 'partial'; readonly ms: number }
  | { readonly type: 'failed'; readonly code: ErrorCode }
  | { readonly type: 'lost'; readonly pid: number; readonly exit: string }

/** A task that runs longer than this, in milliseconds, is reported. */
const REPORT_MS = 20

/** One job of some producer, as far as this worker computes it. */
export class HeldJob {
  readonly id: string
  readonly replyTo: string
  readonly #replies: Replies
  readonly #lease: Lease<HeldTask>
  readonly #held = new Set<HeldTask>()
  /** Tasks that a slot computes: since when, and what reports them. */
  readonly #running = new Map<HeldTask, { readonly since: number; readonly report: NodeJS.Timeout }>()

  constructor(
    pool: SlotPool,
    file: JobFileAt,
    replies: Replies,
    message: PartitionsMessage,
    producer: string,
    replyTo: string,
    params?: Uint8Array,
  ) {
    this.id = message.job
    this.replyTo = replyTo
    this.#replies = replies
    const { job: id, of: partitions, source } = message
    this.#lease = pool.lease(file, {
      id,
      partitions,
      producer: { name: producer },
      ...(source !== undefined && { source: { name: source } }),
      ...(params && { params }),
    })
    this.#lease.listen({
      started: (task) => this.#started(task),
      ended: (task, outcome) => this.#ended(task, outcome),
      lost: (task, { pid, exit }) => this.#answer(task, { type: 'lost', pid, exit }),
      broken: (error) => this.#broken(error),
    })
  }

  /** Tasks that are held, each with its attempt. */
  get tasks(): (readonly [job: string, index: number, attempt: number])[] {
    return Array.from(this.#held, ({ index, attempt }) => [this.id, index, attempt] as const)
  }

  compute([index, attempt, offset, limit]: TaskEntry, hint: Uint8Array | undefined, slice: Uint8Array | undefined, done: () => void): void {
    const held: HeldTask = { index, attempt, done }
    this.#held.add(held)
    const task: Task = { kind: 'partition', partition: { index, offset, limit }, attempt, ...(hint && { hint }), ...(slice && { slice }) }
    this.#lease.send(held, task)
  }

  /** Nobody waits for this attempt any more. */
  stop(index: number, attempt: number): void {
    for (const task of this.#held) if (task.index === index && task.attempt === attempt) this.#drop(task)
  }

  /** Nobody waits for any of it. */
  close(): void {
    this.#lease.close()
    for (const task of [...this.#held]) this.#forget(task)
  }

  #drop(task: HeldTask) {
    this.#lease.stop(task)
    this.#forget(task)
  }

  #started(task: HeldTask) {
    const { index, attempt } = task
    const report = () => this.#replies.send(this.replyTo, { type: 'started', job: this.id, index, attempt })
    this.#running.set(task, { since: now(), report: setTimeout(report, REPORT_MS).unref() })
  }

  #ended(task: HeldTask, outcome: Outcome) {
    if ('bytes' in outcome)
      return this.#answer(task, { type: 'partial', ms: now() - (this.#running.get(task)?.since ?? now()) }, outcome.bytes)
    this.#answer(task, { type: 'failed', code: outcome.code }, encode(outcome.error, 'an error'))
  }

  #broken(error: unknown) {
    const record = encode(describeError(error), 'an error')
    const code = error instanceof PymarError ? error.code : 'JOB_FILE'
    const tasks = [...this.#held]
    this.#replies.send(this.replyTo, { type: 'broken', job: this.id, code }, record, () => {
      for (const task of tasks) this.#forget(task)
    })
  }

  #answer(task: HeldTask, answer: Answer, payload?: Uint8Array) {
    if (!this.#held.has(task)) return
    this.#ceased(task)
    const { index, attempt } = task
    this.#replies.send(this.replyTo, { ...answer, job: this.id, index, attempt }, payload, () => this.#forget(task))
  }

  #forget(task: HeldTask) {
    if (!this.#held.delete(task)) return
    this.#ceased(task)
    task.done()
  }

  #ceased(task: HeldTask) {
    clearTimeout(this.#running.get(task)?.report)
    this.#running.delete(task)
  }
}
