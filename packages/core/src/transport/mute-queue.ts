import { now, withLimit } from '../timers.ts'
import type { Link } from './amqp-link.ts'
import type { Channel } from './amqp-session.ts'

/** A queue that is not heard of within so many milliseconds does not answer. */
const ANSWER_LIMIT_MS = 5000
/** It is not the election of a leader that it waits for, if it has not answered for so many milliseconds, and so often, each time over another connection. */
const MUTE_MS = 10_000
const MUTE_TIMES = 2
/** So long, in milliseconds, it may take to delete it: RabbitMQ asks it for 5 s, in vain, and then deletes what it has. */
const DELETE_LIMIT_MS = 10_000
/** When it is to be asked again, in milliseconds: to begin with, and where it was to be deleted and could not. */
const SOON_MS = 5000
const LATER_MS = 60_000
const NO_ANSWER = 'no answer'

/** Since when a queue does not answer, and how often it was asked. */
interface Mute {
  readonly since: number
  readonly times: number
}

/** A queue does not answer, though the broker does. The channel that has asked is of no use any more. */
export class MuteQueue extends Error {
  readonly queue: string
  /** Milliseconds after which it is to be asked again. */
  readonly againMs: number

  constructor(queue: string, againMs: number) {
    super(`the broker does not answer for queue ${queue}`)
    this.queue = queue
    this.againMs = againMs
  }
}

/**
 * Asks queues with replicas, and deletes those that stay mute, for whoever declares them next.
 *
 * RabbitMQ forgets who takes part in such a queue if it is killed within a second after that was declared, and then waits for a leader
 * whom nobody elects (seen on 3.10, with one machine). What was in the queue is lost by that already.
 */
export class MuteQueues {
  readonly #link: Link
  readonly #say: (line: string) => void
  readonly #mute = new Map<string, Mute>()

  /** @param say Told of queues that are deleted. */
  constructor(link: Link, say: (line: string) => void) {
    this.#link = link
    this.#say = say
  }

  /**
   * @param question Declares the queue, and asks it something.
   * @throws {MuteQueue} If it does not answer, though the broker does, or the connection is lost by each question.
   */
  async ask<T>(queue: string, question: () => Promise<T>): Promise<T> {
    if (this.#isHopeless(queue)) await this.#delete(queue)
    const began = now()
    const asked = question()
    try {
      const answer = await withLimit(asked, ANSWER_LIMIT_MS, NO_ANSWER)
      this.#mute.delete(queue)
      return answer
    } catch (error) {
      if (!isNoAnswer(error)) throw this.#lost(queue, began, error)
    }
    const late = await this.#answeredBefore(asked)
    if (late) return late.answer
    this.#count(queue, began)
    throw new MuteQueue(queue, this.#isHopeless(queue) ? 0 : SOON_MS)
  }

  /** A broker that says why has answered. One that closes the connection may do so whenever it is asked for this queue: RabbitMQ does where its processes are gone. */
  #lost(queue: string, began: number, error: unknown): unknown {
    if (error instanceof Error && 'code' in error) return error
    const { times } = this.#count(queue, began)
    return times < MUTE_TIMES ? error : new MuteQueue(queue, SOON_MS)
  }

  /** It is the queue that does not answer, and not this process that has not heard it yet, if another question is answered before. */
  async #answeredBefore<T>(asked: Promise<T>): Promise<{ readonly answer: T } | undefined> {
    const asking = withLimit(this.#link.channel(), ANSWER_LIMIT_MS, 'the broker does not answer')
    const late = await Promise.race([asked.then((answer) => ({ answer })), asking.then(() => undefined)])
    close(await asking)
    return late
  }

  #count(queue: string, began: number): Mute {
    const { since, times } = this.#mute.get(queue) ?? { since: began, times: 0 }
    const mute = { since, times: times + 1 }
    this.#mute.set(queue, mute)
    return mute
  }

  #isHopeless(queue: string): boolean {
    const mute = this.#mute.get(queue)
    return mute !== undefined && mute.times >= MUTE_TIMES && now() - mute.since >= MUTE_MS
  }

  async #delete(queue: string) {
    const channel = await this.#link.channel()
    try {
      await withLimit(channel.deleteQueue(queue), DELETE_LIMIT_MS, NO_ANSWER)
    } catch (error) {
      throw isNoAnswer(error) ? new MuteQueue(queue, LATER_MS) : error
    } finally {
      close(channel)
    }
    this.#mute.delete(queue)
    this.#say(`the broker did not answer for queue ${queue}, which was deleted to be declared anew`)
  }
}

function isNoAnswer(error: unknown): boolean {
  return error instanceof Error && error.message === NO_ANSWER
}

/** Not waited for: amqplib never says so if the connection goes meanwhile. */
function close(channel: Channel) {
  channel.close().catch(() => {})
}
