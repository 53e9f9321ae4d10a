import { clearTimeout, setTimeout } from '../timers.ts'
import { type Parcel, pack } from '../wire/frame.ts'
import { HELLO, hello } from '../wire/hello.ts'
import { type Address, toAllVersions, toNamesakes, toWorker, toWorkersOf } from '../wire/names.ts'
import type { ControlMessage } from '../wire/protocol.ts'
import type { Link } from './amqp-link.ts'

/** How long, in milliseconds, workers may go on knowing of jobs that are over. */
const OVER_MS = 20
const UNSAID_LIMIT = 10_000

type Said = readonly [to: Address, parcels: readonly Parcel<ControlMessage>[]]

/** What a producer's process says to workers, beside tasks. */
export class Control {
  readonly #link: Link
  readonly #namespace: string
  readonly #replyTo: string
  /** Jobs that are over, by the queue whose workers are to be told. */
  readonly #over = new Map<string, string[]>()
  #overTimer: NodeJS.Timeout | undefined
  #unsaid: Said[] = []

  /** @param replyTo Where workers answer. */
  constructor(link: Link, namespace: string, replyTo: string) {
    this.#link = link
    this.#namespace = namespace
    this.#replyTo = replyTo
  }

  /** To one worker. */
  worker(worker: string, message: ControlMessage, payload?: Uint8Array): void {
    this.#publish(toWorker(this.#namespace, worker), [{ message, ...(payload && { payload }) }])
  }

  /** To all workers of a task queue. */
  workersOf(queue: string, message: ControlMessage): void {
    this.#publish(toWorkersOf(queue), [{ message }])
  }

  /** To all workers that have a producer of this name. */
  namesakes(producer: string, message: ControlMessage): void {
    this.#publish(toNamesakes(this.#namespace, producer), [{ message }])
  }

  /** Finds out whether there are workers of another version. */
  greet(producer: string): void {
    const { exchange, key } = toAllVersions(this.#namespace, producer)
    this.#link.publisher.publish(exchange, key, hello(), { type: HELLO, replyTo: this.#replyTo }, () => {})
  }

  /**
   * Tells the workers of a queue that nobody waits for a job any more.
   *
   * @param urgent Whether they may be computing it: otherwise they are told in a while, of all such jobs at once.
   */
  stop(queue: string, job: string, urgent: boolean): void {
    const jobs = this.#over.get(queue) ?? []
    this.#over.set(queue, [...jobs, job])
    if (urgent) this.flush()
    else this.#overTimer ??= setTimeout(() => this.flush(), OVER_MS).unref()
  }

  /** Says which jobs are over. */
  flush(): void {
    clearTimeout(this.#overTimer)
    this.#overTimer = undefined
    for (const [queue, jobs] of this.#over) {
      this.#publish(
        toWorkersOf(queue),
        jobs.map((job) => ({ message: { type: 'stop', job } })),
      )
    }
    this.#over.clear()
  }

  /** What the broker did not get is said on the next connection. */
  repeat(): void {
    for (const [to, parcels] of this.#unsaid.splice(0)) this.#publish(to, parcels)
  }

  #publish(to: Address, parcels: Said[1]) {
    const failed = (error?: unknown) => {
      if (error !== undefined && this.#unsaid.length < UNSAID_LIMIT) this.#unsaid.push([to, parcels])
    }
    this.#link.publisher.publish(to.exchange, to.key, pack(parcels), { replyTo: this.#replyTo, appId: this.#replyTo }, failed)
  }
}
