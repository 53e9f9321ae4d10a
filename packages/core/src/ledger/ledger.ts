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
  state: 'waiting' | 'sent' | 'running'
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
 *   fresh ----take---> sent --started--> running
 *                      ^  |                 |
 *   waiting ---take----'  |                 |
 *     ^ '-----------------+-----count-------+---> done
 *     '-----lose, fail, giveBack, recall----'
 * ```
 *
 * Any attempt's answer counts, the first one that comes: also while the task waits for its next attempt.
 *
 * A task is held in memory only while it is neither fresh nor done, so a million partitions need no more than those that
 * are under way. Whatever concerns a task that is done, or an attempt that is not its latest, is ignored.
 */
export class Ledger<Loss> {
  readonly partitions: number
  readonly #limits: LedgerLimits
  readonly #open = new Map<number, Open<Loss>>()
  /** Tasks that wait for another attempt, and reductions: both go before fresh partitions. */
  readonly #waiting: number[] = []
  #fresh = 0
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
    this.#open.set(id, { state: 'waiting', attempt: 0, failures: 0, losses: [] })
    this.#waiting.push(id)
  }

  /** The next attempt to send, or undefined if everything is under way or done. */
  take(): AttemptId | undefined {
    const id = this.#waiting.shift() ?? (this.#fresh < this.partitions ? this.#fresh++ : undefined)
    if (id === undefined) return undefined
    const open = this.#open.get(id) ?? { state: 'waiting', attempt: 0, failures: 0, losses: [] }
    this.#open.set(id, open)
    open.state = 'sent'
    open.attempt++
    return { id, attempt: open.attempt }
  }

  started(attempt: AttemptId): boolean {
    const open = this.#latest(attempt)
    if (open?.state !== 'sent') return false
    this.#enter(attempt.id, open, 'running')
    return true
  }

  /** The answer to a task has come. False if it had been counted before: then this one is ignored. */
  count(id: number): boolean {
    const open = this.#open.get(id)
    if (!open) return false
    this.#enter(id, open, 'sent')
    this.#open.delete(id)
    const waits = this.#waiting.indexOf(id)
    if (waits >= 0) this.#waiting.splice(waits, 1)
    if (id < this.partitions) this.#done++
    return true
  }

  /** An attempt was lost with what computed it. */
  lose(attempt: AttemptId, loss: Loss): Verdict {
    const open = this.#latest(attempt)
    if (!open) return 'ignored'
    open.losses.push(loss)
    return this.#retry(attempt.id, open, open.losses.length < this.#limits.maxAttempts)
  }

  /**
   * An attempt failed: user code threw, or ran out of its time.
   *
   * @param retryable False where another attempt would fail as well.
   */
  fail(attempt: AttemptId, retryable = true): Verdict {
    const open = this.#latest(attempt)
    if (!open) return 'ignored'
    open.failures++
    return this.#retry(attempt.id, open, retryable && open.failures <= this.#limits.retries)
  }

  /** An attempt never began: the task is sent again, and neither a loss nor a failure is counted. */
  giveBack(attempt: AttemptId): Verdict {
    const open = this.#latest(attempt)
    return open ? this.#retry(attempt.id, open, true) : 'ignored'
  }

  /** The losses of a task, in order. */
  losses(id: number): readonly Loss[] {
    return this.#open.get(id)?.losses ?? []
  }

  /** Everything that is under way has to be sent again, by another transport; no attempt is counted against it. */
  recall(): void {
    for (const [id, open] of this.#open) {
      if (open.state === 'waiting') continue
      this.#enter(id, open, 'waiting')
      this.#waiting.push(id)
    }
  }

  #latest({ id, attempt }: AttemptId): Open<Loss> | undefined {
    const open = this.#open.get(id)
    return open?.attempt === attempt && open.state !== 'waiting' ? open : undefined
  }

  #retry(id: number, open: Open<Loss>, allowed: boolean): Verdict {
    if (!allowed) return 'final'
    this.#enter(id, open, 'waiting')
    this.#waiting.push(id)
    return 'again'
  }

  #enter(id: number, open: Open<Loss>, state: Open<Loss>['state']) {
    if (id < this.partitions) this.#running += Number(state === 'running') - Number(open.state === 'running')
    open.state = state
  }
}
