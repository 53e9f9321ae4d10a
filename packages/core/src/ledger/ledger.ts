import type { AttemptId } from '../transport/port.ts'

export interface LedgerLimits {
  /** Attempts at one task that may be lost before the job fails. */
  readonly maxAttempts: number
  /** Attempts at one task that may fail, after the first. */
  readonly retries: number
}

/** What became of a task whose attempt did not count: it is tried again, it was the last attempt, or it did not matter. */
export type Verdict = 'again' | 'final' | 'ignored'

interface Open<Loss> {
  /** Attempts that are under way, and whether each is known to be computed. While there is none, the task waits. */
  readonly live: Map<number, boolean>
  /** The latest attempt. */
  attempt: number
  failures: number
  readonly losses: Loss[]
}

/**
 * The record of every task's state, by id: ids 0 to `partitions - 1` are the partitions, in order; those above are
 * reductions, added when their partials are there.
 *
 * ```
 *   fresh ----take---> sent --started--> running   (each attempt; a copy is another one beside the first)
 *                      ^  |                 |
 *   waiting ---take----'  |                 |
 *     ^ '-----------------+-----count-------+---> done
 *     '-----lose, fail, giveBack, recall----'      (the last attempt that was under way)
 * ```
 *
 * Any attempt's answer counts, the first one that comes: also while the task waits for its next attempt.
 *
 * A task is held in memory only while it is neither fresh nor done, so a million partitions need no more than those that
 * are under way. Whatever concerns a task that is done, or an attempt that is not under way, is ignored.
 */
export class Ledger<Loss> {
  readonly partitions: number
  readonly #limits: LedgerLimits
  readonly #open = new Map<number, Open<Loss>>()
  /** Tasks that wait for another attempt, and reductions: both go before fresh partitions. */
  readonly #waiting: number[] = []
  #fresh = 0
  /** Fresh partitions that are done without being sent. */
  readonly #known = new Set<number>()
  #done = 0
  #running = 0

  constructor(partitions: number, limits: LedgerLimits) {
    this.partitions = partitions
    this.#limits = limits
  }

  /** Partitions whose partial was counted. */
  get done(): number {
    return this.#done
  }

  /** Partitions that are being computed. */
  get running(): number {
    return this.#running
  }

  /** A reduction is ready to be computed. */
  add(id: number): void {
    this.#open.set(id, newTask())
    this.#waiting.push(id)
  }

  /** The partial of a fresh partition is known already. */
  know(id: number): void {
    this.#known.add(id)
    this.#done++
  }

  /** The next attempt to send, or undefined if everything is under way or done. */
  take(): AttemptId | undefined {
    const id = this.#waiting.shift() ?? this.#nextFresh()
    if (id === undefined) return undefined
    const open = this.#open.get(id) ?? newTask()
    this.#open.set(id, open)
    return this.#begin(id, open)
  }

  /** Another attempt at a task of which just this one is under way: whichever answers first counts. None for a task that may not fail, or be lost, any more. */
  copy(attempt: AttemptId): AttemptId | undefined {
    const open = this.#live(attempt)
    const { maxAttempts, retries } = this.#limits
    if (open?.live.size !== 1 || open.failures > retries || open.losses.length >= maxAttempts) return undefined
    return this.#begin(attempt.id, open)
  }

  /** Whether the answer to a partition is there. */
  isDone(id: number): boolean {
    return this.#known.has(id) || (id < this.#fresh && !this.#open.has(id))
  }

  started(attempt: AttemptId): boolean {
    const open = this.#live(attempt)
    if (!open || open.live.get(attempt.attempt)) return false
    this.#change(attempt.id, open, () => open.live.set(attempt.attempt, true))
    return true
  }

  /** The answer to a task has come. False if it had been counted before: then this one is ignored. */
  count(id: number): boolean {
    const open = this.#open.get(id)
    if (!open) return this.#countFresh(id)
    this.#change(id, open, () => open.live.clear())
    this.#open.delete(id)
    const waits = this.#waiting.indexOf(id)
    if (waits >= 0) this.#waiting.splice(waits, 1)
    if (id < this.partitions) this.#done++
    return true
  }

  /** An attempt was lost with what computed it. It was the last one only if no copy is under way. */
  lose(attempt: AttemptId, loss: Loss): Verdict {
    const open = this.#live(attempt)
    if (!open) return 'ignored'
    open.losses.push(loss)
    return this.#retry(attempt, open, open.losses.length < this.#limits.maxAttempts || open.live.size > 1)
  }

  /** An attempt was lost with what computed it, and goes on elsewhere by itself. */
  note(attempt: AttemptId, loss: Loss): Verdict {
    const open = this.#live(attempt)
    if (!open) return 'ignored'
    open.losses.push(loss)
    return open.losses.length < this.#limits.maxAttempts || open.live.size > 1 ? 'ignored' : 'final'
  }

  /**
   * An attempt failed: user code threw, or ran out of its time. It was the last one only if no copy is under way.
   *
   * @param retryable False where another attempt would fail as well.
   */
  fail(attempt: AttemptId, retryable = true): Verdict {
    const open = this.#live(attempt)
    if (!open) return 'ignored'
    open.failures++
    return this.#retry(attempt, open, (retryable && open.failures <= this.#limits.retries) || open.live.size > 1)
  }

  /** An attempt never began: the task is sent again, and neither a loss nor a failure is counted. */
  giveBack(attempt: AttemptId): Verdict {
    const open = this.#live(attempt)
    return open ? this.#retry(attempt, open, true) : 'ignored'
  }

  /** The losses of a task, in order. */
  losses(id: number): readonly Loss[] {
    return this.#open.get(id)?.losses ?? []
  }

  /** Everything that is under way has to be sent again, by another transport; no attempt is counted against it. */
  recall(): void {
    for (const [id, open] of this.#open) {
      if (open.live.size === 0) continue
      this.#change(id, open, () => open.live.clear())
      this.#waiting.push(id)
    }
  }

  /** One that an earlier run had sent. */
  #countFresh(id: number): boolean {
    if (id < this.#fresh || id >= this.partitions || this.#known.has(id)) return false
    this.know(id)
    return true
  }

  #nextFresh(): number | undefined {
    while (this.#known.delete(this.#fresh)) this.#fresh++
    return this.#fresh < this.partitions ? this.#fresh++ : undefined
  }

  #begin(id: number, open: Open<Loss>): AttemptId {
    open.attempt++
    open.live.set(open.attempt, false)
    return { id, attempt: open.attempt }
  }

  #live({ id, attempt }: AttemptId): Open<Loss> | undefined {
    const open = this.#open.get(id)
    return open?.live.has(attempt) ? open : undefined
  }

  #retry({ id, attempt }: AttemptId, open: Open<Loss>, allowed: boolean): Verdict {
    if (!allowed) return 'final'
    this.#change(id, open, () => open.live.delete(attempt))
    if (open.live.size === 0) this.#waiting.push(id)
    return 'again'
  }

  /** A partition is being computed as long as one of its attempts is. */
  #change(id: number, open: Open<Loss>, change: () => void) {
    const before = isRunning(open)
    change()
    if (id < this.partitions) this.#running += Number(isRunning(open)) - Number(before)
  }
}

function newTask<Loss>(): Open<Loss> {
  return { live: new Map(), attempt: 0, failures: 0, losses: [] }
}

function isRunning({ live }: Open<unknown>): boolean {
  for (const isComputed of live.values()) if (isComputed) return true
  return false
}
