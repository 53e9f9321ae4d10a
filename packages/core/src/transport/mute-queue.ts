import { now, withLimit } from '../timers.ts'
import type { Link } from './amqp-link.ts'
import type { Channel } from './amqp-session.ts'

/** A queue that is not heard of within so many milliseconds does not answer. */
const ANSWER_LIMIT_MS = 5000
/** It is not the election of a leader that it waits for, if it has not answered for so many milliseconds, over one connection and the next. */
const MUTE_MS = 10_000
/** So long, in milliseconds, it may take to delete it: RabbitMQ asks it for 5 s, in vain, and then deletes what it has. */
const DELETE_LIMIT_MS = 10_000
const NO_ANSWER = 'no answer'

/** A queue does not answer, though the broker does. The channel that has asked is of no use any more. */
export class MuteQueue extends Error {
  readonly queue: string
  /** What became of it: nothing yet, or whoever declares it next has a new one, or it cannot be deleted. */
  readonly became: 'as it was' | 'deleted' | 'not deletable'

  constructor(queue: string, became: MuteQueue['became']) {
    super(`the broker does not answer for queue ${queue}${became === 'deleted' ? ', which was deleted to be declared anew' : ''}`)
    this.queue = queue
    this.became = became
  }
}

/**
 * Waits for queues with replicas to be consumed, and deletes those that stay mute.
 *
 * RabbitMQ forgets who takes part in such a queue if it is killed within a second after that was declared, and then waits for a leader
 * whom nobody elects (seen on 3.10, with one machine). What was in the queue is lost by that already.
 */
export class MuteQueues {
  readonly #link: Link
  /** Since when each does not answer. */
  readonly #since = new Map<string, number>()

  constructor(link: Link) {
    this.#link = link
  }

  /** @throws {MuteQueue} If it does not answer, though the broker does. */
  async wait<T>(queue: string, consuming: Promise<T>): Promise<T> {
    const began = now()
    try {
      const answer = await withLimit(consuming, ANSWER_LIMIT_MS, NO_ANSWER)
      this.#since.delete(queue)
      return answer
    } catch (error) {
      if ((error as Error).message !== NO_ANSWER) throw error
    }
    // It is the queue that does not answer, and not this process that has not heard it yet, if another question is answered before.
    const asking = withLimit(this.#link.channel(), ANSWER_LIMIT_MS, 'the broker does not answer')
    const late = await Promise.race([consuming.then((answer) => ({ answer })), asking.then(() => undefined)])
    const channel = await asking
    try {
      if (late) return late.answer
      const since = this.#since.get(queue) ?? began
      this.#since.set(queue, since)
      if (now() - since < MUTE_MS) throw new MuteQueue(queue, 'as it was')
      throw new MuteQueue(queue, (await isDeleted(channel, queue)) ? 'deleted' : 'not deletable')
    } finally {
      channel.close().catch(() => {})
    }
  }
}

async function isDeleted(channel: Channel, queue: string): Promise<boolean> {
  return withLimit(channel.deleteQueue(queue), DELETE_LIMIT_MS, NO_ANSWER).then(
    () => true,
    () => false,
  )
}
