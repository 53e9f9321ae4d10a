import type { PartitionsMessage, TaskEntry } from '../wire/protocol.ts'

export type Sent = Pick<Delivery, 'message' | 'payload' | 'producer' | 'replyTo' | 'redelivered'>

/** A message from a task queue, until the broker may forget it. */
export class Delivery {
  readonly message: PartitionsMessage
  readonly payload: Uint8Array
  readonly producer: string
  /** The reply queue of the process that sent it. */
  readonly replyTo: string
  /** Whether somebody may have had it before. */
  readonly redelivered: boolean
  readonly #open: Set<TaskEntry>
  readonly #ended: () => void

  /** @param ended Called once, when none of its tasks is open any more. */
  constructor({ message, payload, producer, replyTo, redelivered }: Sent, ended: () => void) {
    this.message = message
    this.payload = payload
    this.producer = producer
    this.replyTo = replyTo
    this.redelivered = redelivered
    this.#open = new Set(message.tasks)
    this.#ended = ended
  }

  /** Tasks that are neither answered nor dropped. */
  get open(): readonly TaskEntry[] {
    return [...this.#open]
  }

  /** A task is answered, and the broker has the answer; or nobody waits for one. */
  done(task: TaskEntry): void {
    if (this.#open.delete(task) && this.#open.size === 0) this.#ended()
  }

  isOpen(task: TaskEntry): boolean {
    return this.#open.has(task)
  }

  /** Somebody else gets it: nothing that is done here counts. */
  forget(): void {
    this.#open.clear()
  }

  /** Nobody waits for any of it. */
  drop(): void {
    for (const task of this.#open) this.done(task)
  }
}
