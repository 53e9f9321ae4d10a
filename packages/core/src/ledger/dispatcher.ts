import type { Partition } from '../data-source.ts'
import { type ErrorCode, PymarError } from '../errors.ts'
import type { Given } from '../job/given.ts'
import type { PartitionList } from '../job/plan.ts'
import type { Task } from '../job/run.ts'
import type { MapOptions } from '../options.ts'
import { CLOCK } from '../timers.ts'
import { AttemptSet } from '../transport/attempt-set.ts'
import type { Attempt, AttemptId, Channel, ChannelEvents, Loss, Where } from '../transport/port.ts'
import { encode } from '../wire/codec.ts'
import { Deadlines } from './deadlines.ts'
import { failedError, type JobNames, lostError, partitionTimeoutError, unreadableError } from './job-errors.ts'
import { Ledger, type Verdict } from './ledger.ts'
import { type Reduction, ReductionTree } from './reduction-tree.ts'
import { Stragglers } from './stragglers.ts'

/** What the tasks of a job come to. */
export interface DispatchEvents {
  /** A partition's partial was counted: the first for that partition. */
  counted(partition: Partition, bytes: Uint8Array): void
  result(bytes: Uint8Array): void
  failed(error: unknown): void
}

const DEFAULT_ATTEMPTS = 3
const HINT_LIMIT_BYTES = 256 * 1024
/** What the next attempt may do better. */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['USER_ERROR', 'SOURCE_FAILED'])

/** Moves tasks from the ledger to a channel and answers back, and partials up the reduction tree, until one is left. */
export class Dispatcher implements ChannelEvents {
  readonly #names: JobNames
  readonly #partitions: PartitionList
  readonly #given: Given
  readonly #events: DispatchEvents
  readonly #ledger: Ledger<Loss>
  readonly #tree: ReductionTree
  readonly #limitMs: number | undefined
  readonly #deadlines: Deadlines<Attempt> | undefined
  readonly #stragglers: Stragglers<Attempt>
  readonly #live = new AttemptSet<Attempt>()
  /** Reductions that are not done, by id. */
  readonly #reductions = new Map<number, Reduction>()
  #nextReduction: number
  #channel: Channel | undefined
  #isHeard = true

  constructor(producer: string, partitions: PartitionList, given: Given, options: MapOptions, events: DispatchEvents, clock = CLOCK) {
    const { length } = partitions
    this.#names = { producer, partitions: length }
    this.#partitions = partitions
    this.#given = given
    this.#events = events
    this.#ledger = new Ledger(length, { maxAttempts: options.maxAttempts ?? DEFAULT_ATTEMPTS, retries: options.retries ?? 0 })
    this.#nextReduction = length
    // Without partitions there is one reduction, of nothing, and its result is the answer.
    this.#tree = new ReductionTree(Math.max(1, length))
    if (length === 0) this.#reduce({ level: -1, position: 0, partials: [] })
    this.#limitMs = options.partitionTimeoutMs
    if (this.#limitMs) this.#deadlines = new Deadlines(this.#limitMs, clock, (attempt) => this.#timedOut(attempt))
    const room = () => (this.#channel?.hasRoom ? this.#channel.workers - this.#ledger.running : 0)
    const isNearEnd = () => options.speculation !== false && this.#ledger.done * 2 >= length && this.#ledger.done < length
    this.#stragglers = new Stragglers({ clock, room, isNearEnd }, (attempt) => this.#copy(attempt))
  }

  get state(): { partitions: number; done: number; running: number; workers: number } {
    const { done, running, partitions } = this.#ledger
    return { partitions, done, running, workers: this.#channel?.workers ?? 0 }
  }

  /** Partials of partitions that need not be computed any more. */
  know(partials: ReadonlyMap<number, Uint8Array>): void {
    for (const [id, bytes] of partials) {
      this.#ledger.know(id)
      this.#advance(this.#tree.add(0, id, bytes))
    }
  }

  /** Sends what there is to send over this channel from now on. What was under way elsewhere is sent again. */
  use(channel: Channel): void {
    this.close()
    this.#ledger.recall()
    this.#channel = channel
    channel.listen(this)
    this.#fill()
  }

  /** Stops whatever is under way. @returns Whether all who were given something to compute have heard so. */
  close(): boolean {
    this.#deadlines?.close()
    this.#stragglers.close()
    this.#live.clear()
    if (this.#channel?.close() === false) this.#isHeard = false
    this.#channel = undefined
    return this.#isHeard
  }

  started(attempt: AttemptId): boolean {
    const live = this.#live.find(attempt)
    if (this.#ledger.started(attempt) && live && attempt.id < this.#ledger.partitions) {
      this.#deadlines?.begin(live)
      this.#stragglers.began(live)
    }
    return !this.#ledger.isDone(attempt.id)
  }

  partial(attempt: AttemptId, bytes: Uint8Array): void {
    if (!this.#ledger.count(attempt.id)) return
    for (const live of this.#live.of(attempt.id)) {
      const isCounted = live.attempt === attempt.attempt
      if (isCounted) this.#stragglers.counted(live)
      this.#forget(live)
      // The answer of one attempt makes the others pointless.
      if (!isCounted) this.#channel?.stop(live)
    }
    const reduction = this.#reductions.get(attempt.id)
    this.#reductions.delete(attempt.id)
    if (!reduction) this.#events.counted(this.#partition(attempt.id), bytes)
    this.#advance(reduction ? this.#tree.add(reduction.level + 1, reduction.position, bytes) : this.#tree.add(0, attempt.id, bytes))
    this.#fill()
  }

  failed(attempt: AttemptId, code: ErrorCode, error: unknown, where: Where): void {
    const verdict = this.#ledger.fail(attempt, RETRYABLE.has(code))
    this.#goOn(attempt, verdict, () =>
      failedError(this.#names, this.#partitionOf(attempt), {
        code,
        error,
        where,
        attempt: attempt.attempt,
        empty: this.#names.partitions === 0,
      }),
    )
  }

  lost(attempt: AttemptId, loss: Loss): void {
    const verdict = this.#ledger.lose(attempt, loss)
    this.#goOn(attempt, verdict, () => lostError(this.#names, this.#partitionOf(attempt), this.#ledger.losses(attempt.id)))
  }

  redelivered(attempt: AttemptId, loss: Loss): void {
    const verdict = this.#ledger.note(attempt, loss)
    this.#goOn(attempt, verdict, () => lostError(this.#names, this.#partitionOf(attempt), this.#ledger.losses(attempt.id)))
  }

  returned(attempt: AttemptId): void {
    if (this.#ledger.giveBack(attempt) === 'ignored') return
    this.#forget(attempt)
    this.#fill()
  }

  room(): void {
    this.#fill()
  }

  broken(error: unknown): void {
    this.#events.failed(error)
  }

  #timedOut(attempt: Attempt) {
    this.#channel?.stop(attempt)
    const verdict = this.#ledger.fail(attempt)
    this.#goOn(attempt, verdict, () => partitionTimeoutError(this.#names, this.#partition(attempt.id), this.#limitMs as number))
  }

  /** After an attempt that did not count. */
  #goOn(attempt: AttemptId, verdict: Verdict, error: () => unknown) {
    if (verdict === 'ignored') return
    this.#forget(attempt)
    if (verdict === 'final') this.#events.failed(error())
    else this.#fill()
  }

  #forget(attempt: AttemptId) {
    const live = this.#live.find(attempt)
    if (!live) return
    this.#live.delete(live)
    this.#deadlines?.end(live)
    this.#stragglers.ended(live)
  }

  #advance(ready: ReturnType<ReductionTree['add']>) {
    if (!ready) return
    if ('result' in ready) this.#events.result(ready.result)
    else this.#reduce(ready)
  }

  #reduce(reduction: Reduction) {
    const id = this.#nextReduction++
    this.#reductions.set(id, reduction)
    this.#ledger.add(id)
  }

  #fill() {
    while (this.#channel?.hasRoom) {
      const next = this.#ledger.take()
      if (!next) return this.#stragglers.watch()
      if (!this.#send(next)) return
    }
  }

  /** Somewhere else it may be done sooner. */
  #copy(attempt: Attempt) {
    const next = this.#ledger.copy(attempt)
    if (next) this.#send(next)
  }

  #send(next: AttemptId): boolean {
    try {
      const attempt: Attempt = { ...next, task: this.#task(next) }
      this.#live.add(attempt)
      this.#channel?.send(attempt)
      return true
    } catch (error) {
      // A hint or items that cannot be encoded, or cannot even be read.
      this.#events.failed(error instanceof PymarError ? error : unreadableError(this.#names, this.#partition(next.id), error))
      return false
    }
  }

  #task({ id, attempt }: AttemptId): Task {
    const reduction = this.#reductions.get(id)
    if (reduction) return { kind: 'reduction', partials: reduction.partials }
    const { index, offset, limit, hint } = this.#partition(id)
    const name = `partition ${index} of ${this.#names.partitions}`
    return {
      kind: 'partition',
      partition: { index, offset, limit },
      attempt,
      ...(hint !== undefined && { hint: encodeHint(hint, `the hint of ${name}`) }),
      ...(this.#given.kind === 'data' && { slice: encode(sliceOf(this.#given.items, offset, limit), `the items of ${name}`) }),
    }
  }

  /** Undefined for a reduction. */
  #partitionOf({ id }: AttemptId): Partition | undefined {
    return this.#partitions.at(id)
  }

  #partition(id: number): Partition {
    return this.#partitions.at(id) as Partition
  }
}

/** @throws {PymarError} `TOO_LARGE`: hints travel with each task, whatever the transport. */
function encodeHint(hint: unknown, name: string): Uint8Array {
  const bytes = encode(hint, name)
  if (bytes.byteLength <= HINT_LIMIT_BYTES) return bytes
  const found = `it takes ${bytes.byteLength} bytes, and there may be ${HINT_LIMIT_BYTES}`
  throw new PymarError('TOO_LARGE', `Cannot send ${name}: ${found}; let it say where the data is, not what it is`)
}

/** A view of a typed array, which travels with its own range only, or a copy of an array's range. */
function sliceOf(items: ArrayLike<unknown>, offset: number, limit: number): ArrayLike<unknown> {
  if (ArrayBuffer.isView(items)) return (items as unknown as Float64Array).subarray(offset, offset + limit)
  return Array.prototype.slice.call(items, offset, offset + limit)
}
