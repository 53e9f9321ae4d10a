import { withLimit } from '../timers.ts'
import type { Link } from './amqp-link.ts'

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
    throw new MuteQueue(queue, await isDeletable(link, queue))
  }
}

/** A broker that opens a channel answers; one that does not is not asked for more. */
async function isDeletable(link: Link, queue: string): Promise<boolean> {
  try {
    const channel = await withLimit(link.channel(), ANSWER_LIMIT_MS, NO_ANSWER)
    await withLimit(channel.deleteQueue(queue), DELETE_LIMIT_MS, NO_ANSWER)
    channel.close().catch(() => {})
    return true
  } catch {
    // Most of those that take part in it are not there: with them it may answer again.
    return false
  }
}
