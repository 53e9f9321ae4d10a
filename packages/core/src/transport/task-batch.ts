import type { Task } from '../job/run.ts'
import type { Parcel } from '../wire/frame.ts'
import type { PartitionsMessage, TaskEntry } from '../wire/protocol.ts'
import type { Attempt, JobSpec } from './port.ts'

export type PartitionAttempt = Attempt & { readonly task: Task & { readonly kind: 'partition' } }

/** What a job shares is fetched by each worker once, where it has more bytes than this. */
const INLINE_SHARED_BYTES = 1024
/** Items of more bytes than this are fetched by the worker that got their task. */
const INLINE_ITEMS_BYTES = 256 * 1024
/** Tasks of one message take so long, in milliseconds, so that its way hides behind them. */
const BATCH_MS = 5
const BATCH_LIMIT = 64
/** Tasks of one message, at most, while it is not known how long they take. A worker gives back what it cannot begin soon. */
const FIRST_LIMIT = 8
const LAST_WEIGHT = 0.1

/** Puts the tasks of one job into messages: several into one while they are short, each into its own else. */
export class TaskBatches {
  readonly #job: JobSpec
  #meanMs: number | undefined

  constructor(job: JobSpec) {
    this.#job = job
  }

  /** A task took so long. */
  took(ms: number): void {
    this.#meanMs = this.#meanMs === undefined ? ms : this.#meanMs + LAST_WEIGHT * (ms - this.#meanMs)
  }

  /** A worker gave one back that had come with others: they are not short. */
  returned(): void {
    this.#meanMs = Math.max(BATCH_MS, this.#meanMs ?? 0)
  }

  /** @param workers How many are known: while it is open how long tasks take, each gets some of them. */
  *of(attempts: readonly PartitionAttempt[], workers: number): Generator<readonly PartitionAttempt[]> {
    const size = this.#size(attempts.length, workers)
    let [batch, bytes]: [PartitionAttempt[], number] = [[], 0]
    for (const attempt of attempts) {
      const { slice, hint } = attempt.task
      const more = (slice?.byteLength ?? 0) + (hint?.byteLength ?? 0)
      if (batch.length > 0 && (batch.length === size || bytes + more > INLINE_ITEMS_BYTES)) {
        yield batch
        ;[batch, bytes] = [[], 0]
      }
      batch.push(attempt)
      bytes += more
    }
    if (batch.length > 0) yield batch
  }

  #size(tasks: number, workers: number): number {
    if (this.#meanMs !== undefined) return Math.max(1, Math.min(BATCH_LIMIT, Math.round(BATCH_MS / this.#meanMs)))
    return workers === 0 ? 1 : Math.min(FIRST_LIMIT, Math.ceil(tasks / workers))
  }

  message(attempts: readonly PartitionAttempt[]): Parcel<PartitionsMessage> {
    const { id: job, partitions: of, source, shared, kept } = this.#job
    const inline = shared && shared.byteLength <= INLINE_SHARED_BYTES ? shared : undefined
    const payload: Uint8Array[] = inline ? [inline] : []
    const tasks = attempts.map(({ attempt, task }): TaskEntry => {
      const { index, offset, limit } = task.partition
      const { hint, slice } = task
      const inlineItems = slice && slice.byteLength <= INLINE_ITEMS_BYTES ? slice : undefined
      if (hint) payload.push(hint)
      if (inlineItems) payload.push(inlineItems)
      if (!hint && !slice) return [index, attempt, offset, limit]
      return [index, attempt, offset, limit, hint?.byteLength ?? 0, slice ? (inlineItems?.byteLength ?? -1) : 0]
    })
    const message: PartitionsMessage = {
      type: 'partitions',
      job,
      of,
      ...(source && { source: source.name }),
      ...(shared && { shared: inline?.byteLength ?? -1 }),
      ...(kept && { keep: true }),
      tasks,
    }
    return { message, ...(payload.length > 0 && { payload: Buffer.concat(payload) }) }
  }
}
