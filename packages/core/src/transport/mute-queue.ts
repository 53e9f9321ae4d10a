import { withLimit } from '../timers.ts'
import type { Link } from './amqp-link.ts'
import type { Channel } from './amqp-session.ts'

/** A queue that is not heard of within so many milliseconds does not answer. */
const ANSWER_LIMIT_MS = 5000
/** So long, in milliseconds, it may take to delete it: RabbitMQ asks it for 5 s, in vain, and then deletes what it has. */
const DELETE_LIMIT_MS = 10_000
const NO_ANSWER = 'no answer'

/** A queue does not answer, though the broker does. The channel that has asked is of no use any more. */
export class MuteQueue extends Error {
  readonly queue: string
  /** Whoever declares it next has a new one. */
  readonly isDeleted: boolean

  constructor(queue: string, isDeleted: boolean) {
    super(`the broker does not answer for queue ${queue}${isDeleted ? ', which was deleted to be declared anew' : ''}`)
    this.queue = queue
    this.isDeleted = isDeleted
  }
}

/**
 * Waits until a queue with replicas is consumed; one that does not answer is deleted.
 *
 * RabbitMQ forgets who takes part in such a queue if it is killed within a second after that was declared, and then waits for a leader
 * whom nobody elects (seen on 3.10, with one machine: among several, the others know). What was in the queue is lost by that already.
 *
 * @throws {MuteQueue} If it does not answer.
 */
export async function orDelete<T>(link: Link, queue: string, consuming: Promise<T>): Promise<T> {
  try {
    return await withLimit(consuming, ANSWER_LIMIT_MS, NO_ANSWER)
  } catch (error) {
    if ((error as Error).message !== NO_ANSWER) throw error
  }
  // It is the queue that does not answer, and not this process that has not heard it yet, if another question is answered before.
  const asking = withLimit(link.channel(), ANSWER_LIMIT_MS, 'the broker does not answer')
  const late = await Promise.race([consuming.then((answer) => ({ answer })), asking.then(() => undefined)])
  const channel = await asking
  try {
    if (late) return late.answer
    throw new MuteQueue(queue, await isDeleted(channel, queue))
  } finally {
    channel.close().catch(() => {})
  }
}

async function isDeleted(channel: Channel, queue: string): Promise<boolean> {
  return withLimit(channel.deleteQueue(queue), DELETE_LIMIT_MS, NO_ANSWER).then(
    () => true,
    () => false,
  )
}
