import { nextTick } from '../timers.ts'
import type { Link } from '../transport/amqp-link.ts'
import { type Parcel, pack, split } from '../wire/frame.ts'
import type { ReplyMessage } from '../wire/protocol.ts'

interface Reply extends Parcel<ReplyMessage> {
  /** Called when the broker has it, or it is lost with the connection: then the broker gives the task to somebody again. */
  readonly settled?: () => void
}

/** What a worker says to producers. What is said in one turn to one of them goes in one message. */
export class Replies {
  readonly #link: Link
  readonly #worker: string
  readonly #outbox = new Map<string, Reply[]>()

  constructor(link: Link, worker: string) {
    this.#link = link
    this.#worker = worker
  }

  /** @param to The producer's reply queue. */
  send(to: string, message: ReplyMessage, payload?: Uint8Array, settled?: () => void): void {
    if (this.#outbox.size === 0) nextTick(() => this.#flush())
    const replies = this.#outbox.get(to) ?? []
    this.#outbox.set(to, replies)
    replies.push({ message, ...(payload && { payload }), ...(settled && { settled }) })
  }

  #flush() {
    for (const [to, replies] of this.#outbox) {
      const pieces = split(pack(replies))
      pieces.forEach((piece, i) => {
        const last = i === pieces.length - 1
        const settled = () => {
          if (last) for (const reply of replies) reply.settled?.()
        }
        this.#link.publish('', to, piece.body, { ...piece.properties, appId: this.#worker, mandatory: true, persistent: true }, settled)
      })
    }
    this.#outbox.clear()
  }
}
