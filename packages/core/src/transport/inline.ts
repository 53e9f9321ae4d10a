import { type LoadedJob, perform, type Shared } from '../job/run.ts'
import { setImmediate } from '../timers.ts'
import { decode } from '../wire/codec.ts'
import { restoreError } from '../wire/error-record.ts'
import type { Attempt, Channel, ChannelEvents, JobSpec, Transport } from './port.ts'

/**
 * Computes in this very process, one task after the other: the oracle that every other transport is compared with.
 * Values are encoded and decoded all the same, so what cannot travel fails here too.
 */
export class InlineTransport implements Transport {
  async open(job: JobSpec, _tasks: number): Promise<Channel> {
    return new InlineChannel(job)
  }

  async close(): Promise<void> {}

  release(): void {}
}

class InlineChannel implements Channel {
  readonly workers = 1
  readonly #job: LoadedJob
  #events: ChannelEvents | undefined
  #running: { readonly attempt: Attempt; readonly abort: AbortController } | undefined
  #closed = false

  constructor({ id, partitions, producer, source, shared }: JobSpec) {
    this.#job = { id, partitions, producer, ...(source && { source }), shared: shared ? (decode(shared) as Shared) : {} }
  }

  listen(events: ChannelEvents): void {
    this.#events = events
  }

  get hasRoom(): boolean {
    return !this.#running
  }

  send(attempt: Attempt): void {
    this.#running = { attempt, abort: new AbortController() }
    void this.#compute(attempt, this.#running.abort.signal)
  }

  stop(attempt: Attempt): void {
    if (this.#running?.attempt === attempt) this.#running.abort.abort()
  }

  close(): boolean {
    this.#closed = true
    this.#running?.abort.abort()
    return true
  }

  async #compute(attempt: Attempt, signal: AbortSignal) {
    // A turn of the event loop, so that a cancel can come between two tasks.
    await new Promise((turn) => setImmediate(turn))
    if (this.#closed) return
    this.#events?.started(attempt)
    const outcome = await perform(this.#job, attempt.task, signal)
    this.#running = undefined
    if (this.#closed) return
    if (signal.aborted) return this.#events?.room()
    if ('bytes' in outcome) this.#events?.partial(attempt, outcome.bytes)
    else this.#events?.failed(attempt, outcome.code, restoreError(outcome.error), `process pid ${process.pid}`)
  }
}
