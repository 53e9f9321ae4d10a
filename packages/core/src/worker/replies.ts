import { now, setImmediate, setTimeout } from '../timers.ts'
import type { Link } from '../transport/amqp-link.ts'
import { isNack } from '../transport/amqp-session.ts'
import { Pace } from '../transport/pace.ts'
import { type Parcel, pack } from '../wire/frame.ts'
import type { ReplyMessage } from '../wire/protocol.ts'

interface Reply extends Parcel<ReplyMessage> {
  /** Called when the broker has it. */
  readonly settled?: () => void
}

/** Milliseconds before what the broker could not take is tried again. */
const AGAIN_MS = 200
/** So long, in milliseconds, a reply queue takes nothing before that is said. */
const SAY_AFTER_MS = 8000

/** What a worker says to producers. What is said together to one of them goes in one message; without a connection it waits for the next. */
export class Replies {
  readonly #link: Link
  readonly #worker: () => string
  readonly #say: (line: string) => void
  readonly #outbox = new Map<string, Reply[]>()
  /** Reply queues that refuse what they are given: since when, and whether that was said. */
  readonly #refusing = new Map<string, { readonly since: number; isSaid: boolean }>()
  #timer: NodeJS.Timeout | undefined
  readonly #pace = new Pace(setImmediate, () => this.flush())

  /** @param worker The worker's id, as it is now. @param say Told of reply queues that take nothing. */
  constructor(link: Link, worker: () => string, say: (line: string) => void) {
    this.#link = link
    this.#worker = worker
    this.#say = say
  }

  /** @param to The producer's reply queue. */
  send(to: string, message: ReplyMessage, payload?: Uint8Array, settled?: () => void): void {
    this.#put(to, [{ message, ...(payload && { payload }), ...(settled && { settled }) }])
    this.#pace.want()
  }

  /** Says what waits. */
  flush(): void {
    if (!this.#link.session) return
    const outbox = [...this.#outbox]
    this.#outbox.clear()
    for (const [to, replies] of outbox) this.#publish(to, replies)
  }

  /** Nobody listens there any more. */
  drop(to: string): void {
    const replies = this.#outbox.get(to)
    this.#outbox.delete(to)
    this.#refusing.delete(to)
    for (const { settled } of replies ?? []) settled?.()
  }

  #put(to: string, replies: readonly Reply[]) {
    const waiting = this.#outbox.get(to)
    if (waiting) waiting.push(...replies)
    else this.#outbox.set(to, [...replies])
  }

  #publish(to: string, replies: readonly Reply[]) {
    this.#pace.sent()
    this.#link.publisher.publish('', to, pack(replies), { appId: this.#worker(), mandatory: true }, (error) => {
      this.#pace.settled()
      if (error === undefined) {
        this.#refusing.delete(to)
        for (const { settled } of replies) settled?.()
        return
      }
      if (isNack(error)) this.#refused(to)
      // Said again, on the next connection: a producer counts each answer once.
      this.#put(to, replies)
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined
        this.flush()
      }, AGAIN_MS).unref()
    })
  }

  #refused(to: string) {
    const refusing = this.#refusing.get(to) ?? { since: now(), isSaid: false }
    this.#refusing.set(to, refusing)
    if (refusing.isSaid || now() - refusing.since < SAY_AFTER_MS) return
    refusing.isSaid = true
    this.#say(`the broker refuses answers for queue ${to}: it may be full, as a policy says; leave queues of Pymar out of that`)
  }
}
