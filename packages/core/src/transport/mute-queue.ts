import { messageOf } from '../errors.ts'
import { now, withLimit } from '../timers.ts'
import { deletionOf, hasReplicas } from '../wire/names.ts'
import type { Link } from './amqp-link.ts'
import { type Channel, isUnanswered } from './amqp-session.ts'

/** A queue that is not heard of within so many milliseconds does not answer. */
const ANSWER_LIMIT_MS = 5000
/** It is not the election of a leader that it waits for, if it has not answered for so many milliseconds, and so often. */
const MUTE_MS = 10_000
const MUTE_TIMES = 2
/** What was found less than so many milliseconds ago holds: one more question would only lose one more connection. */
const FRESH_MS = 10_000
/** Whether there is anything in it is told soon, in milliseconds, or never. */
const FIND_LIMIT_MS = 1000
/** So long, in milliseconds, it may take to delete it: RabbitMQ asks it for 5 s, in vain, and then deletes what it has. */
const DELETE_LIMIT_MS = 10_000
/** Who has found it mute before it was deleted, so many milliseconds ago at most, does not delete what was declared since. */
const LEASE_MS = FRESH_MS + DELETE_LIMIT_MS
/** When it is to be asked again, in milliseconds: to begin with, and where it was to be deleted and could not. */
const SOON_MS = 5000
const LATER_MS = 60_000
/** What RabbitMQ says where a queue is declared that is there, and is another one. */
const OTHER = /inequivalent arg/
const NO_ANSWER = 'no answer'

/** What RabbitMQ says of a queue that does not answer, if it says anything. */
const MUTE = { messageCount: 0, consumerCount: 0 }

/** What is known of a queue that does not answer: since when, how often it was asked, and when for the last time. */
interface Mute {
  readonly since: number
  readonly times: number
  readonly latest: number
}

/** A queue does not answer, though the broker does. The channel that has asked is of no use any more. */
export class MuteQueue extends Error {
  readonly queue: string
  /** Milliseconds after which it is to be asked again; 0: on the next connection. */
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
 * whom nobody elects (seen on 3.10, with one machine). What was in the queue is lost by that already. Where it is not, since most of its
 * machines are away, it is lost by the deletion: tasks are sent again, and answers computed again.
 */
export class MuteQueues {
  readonly #link: Link
  readonly #say: (line: string) => void
  readonly #mute = new Map<string, Mute>()
  /** How often a queue was to be deleted, and was not there: whoever declares it loses the connection. */
  readonly #missing = new Map<string, number>()
  /** What nobody else says of a queue. */
  readonly #mine = Math.floor(Math.random() * 2 ** 31)

  /** @param say Told of queues that are deleted. */
  constructor(link: Link, say: (line: string) => void) {
    this.#link = link
    this.#say = say
  }

  /**
   * Asks a queue something: to be declared, consumed, or to give what it has. Only those with replicas may be mute.
   *
   * @throws {MuteQueue} If it does not answer, though the broker does, or the connection is lost by each question.
   */
  ask<T>(queue: string, question: () => Promise<T>): Promise<T> {
    return hasReplicas(queue) ? this.#askReplicated(queue, question) : question()
  }

  async #askReplicated<T>(queue: string, question: () => Promise<T>): Promise<T> {
    if (this.#isHopeless(queue)) await this.#delete(queue)
    const began = now()
    const asked = question()
    try {
      const answer = await withLimit(asked, ANSWER_LIMIT_MS, NO_ANSWER)
      this.#mute.delete(queue)
      this.#missing.delete(queue)
      return answer
    } catch (error) {
      if (!isNoAnswer(error)) throw this.#lost(queue, began, error)
    }
    const late = await this.#answeredBefore(asked)
    if (late) return late.answer
    this.#count(queue, began)
    const isHopeless = this.#isHopeless(queue)
    if (isHopeless) await this.#delete(queue)
    throw new MuteQueue(queue, isHopeless ? 0 : SOON_MS)
  }

  /** RabbitMQ closes the connection of whoever asks a queue whose processes are gone, or whose name it cannot use. */
  #lost(queue: string, began: number, error: unknown): unknown {
    if (!isUnanswered(error)) return error
    const { times } = this.#count(queue, began)
    return times < MUTE_TIMES ? error : new MuteQueue(queue, this.#isHopeless(queue) ? 0 : SOON_MS)
  }

  /** It is the queue that does not answer, and not this process that has not heard it yet, if another question is answered before. */
  async #answeredBefore<T>(asked: Promise<T>): Promise<{ readonly answer: T } | undefined> {
    const asking = withLimit(this.#link.queues.channel(), ANSWER_LIMIT_MS, 'the broker does not answer')
    const late = await Promise.race([asked.then((answer) => ({ answer })), asking.then(() => undefined)])
    close(await asking)
    return late
  }

  #count(queue: string, began: number): Mute {
    const before = this.#mute.get(queue)
    // It was not asked for a while: the broker was away, it may be.
    const { since, times } = before && began - before.latest < MUTE_MS ? before : { since: began, times: 0 }
    const mute = { since, times: times + 1, latest: now() }
    this.#mute.set(queue, mute)
    return mute
  }

  #isHopeless(queue: string): boolean {
    const mute = this.#mute.get(queue)
    return mute !== undefined && mute.times >= MUTE_TIMES && now() - mute.since >= MUTE_MS && now() - mute.latest < FRESH_MS
  }

  async #delete(queue: string) {
    const found = await withLimit(this.#link.queues.find(queue), FIND_LIMIT_MS, NO_ANSWER).catch(() => MUTE)
    if (!found) return this.#miss(queue)
    // Somebody else may have deleted it meanwhile, and it was declared anew.
    if (found.messageCount + found.consumerCount > 0) return void this.#mute.delete(queue)
    if (!(await this.#lease(queue))) {
      this.#mute.delete(queue)
      throw new MuteQueue(queue, SOON_MS)
    }
    const channel = await this.#link.queues.channel()
    try {
      await withLimit(channel.deleteQueue(queue), DELETE_LIMIT_MS, NO_ANSWER)
    } catch (error) {
      throw new MuteQueue(queue, isNoAnswer(error) ? LATER_MS : SOON_MS)
    } finally {
      close(channel)
    }
    this.#mute.delete(queue)
    this.#say(`the broker did not answer for queue ${queue}, which was deleted to be declared anew`)
  }

  /** Somebody else has deleted it. Where nobody can declare it anew it is asked ever more seldom, since each time costs this process the connection. */
  #miss(queue: string) {
    const times = (this.#missing.get(queue) ?? 0) + 1
    this.#missing.set(queue, times)
    this.#mute.delete(queue)
    if (times > 1) throw new MuteQueue(queue, Math.min(LATER_MS, SOON_MS * 2 ** (times - 1)))
  }

  /**
   * Whether it is ours to delete. Of two who do it at once one would delete what was declared since, and RabbitMQ (seen on 3.10) leaves
   * behind a process of that name then, with which the queue cannot be declared until the broker is started again.
   *
   * @throws {Error} If there is no connection.
   */
  async #lease(queue: string): Promise<boolean> {
    const channel = await this.#link.queues.channel()
    try {
      const declared = channel.assertQueue(deletionOf(queue), { durable: true, expires: LEASE_MS, maxLength: this.#mine })
      await withLimit(declared, ANSWER_LIMIT_MS, NO_ANSWER)
      return true
    } catch (error) {
      if (isUnanswered(error)) throw error
      // Where there cannot be one, its machine being away or there being too many, it is deleted without.
      return !OTHER.test(messageOf(error))
    } finally {
      close(channel)
    }
  }
}

function isNoAnswer(error: unknown): boolean {
  return error instanceof Error && error.message === NO_ANSWER
}

/** Not waited for: amqplib never says so if the connection goes meanwhile. */
function close(channel: Channel) {
  channel.close().catch(() => {})
}
