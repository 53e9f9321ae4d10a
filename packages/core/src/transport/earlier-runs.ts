import { messageOf, PymarError } from '../errors.ts'
import { now, setTimeout } from '../timers.ts'
import { REPLY_MESSAGES, type ReplyMessage } from '../wire/protocol.ts'
import type { Channel, Message } from './amqp-session.ts'
import { MuteQueue } from './mute-queue.ts'
import type { Kept } from './port.ts'
import { Reader } from './reader.ts'

/** Answers that are on their way while a queue is emptied come within so many milliseconds. */
const LAST_MS = 200

/** How long it waits, in milliseconds, before it asks a broker again that has not let it have what is left. */
const AGAIN_MS = 1000

export interface EarlierRunsSettings {
  readonly kept: Kept | undefined
  /** A run that is waited for after so long, in milliseconds, is not over: by then the broker misses a machine that is gone. */
  readonly missedMs: number
  /** Has workers drop what a run has sent, and takes the answers that wait for it. @throws {Error} If that was not possible. */
  collect(run: string): Promise<void>
  /** Whether there is a connection. */
  isConnected(): boolean
  /** Nothing of any of them is left. */
  over(): void
  /** One of them is not over. */
  failed(error: PymarError): void
}

/** Somebody waits for the answers to a run: its process, or one that the broker takes to be there for some heartbeats after its machine is gone. */
export class LiveRun extends Error {
  constructor(run: string) {
    super(`run ${run} of the job, which the checkpoint names, is still waited for`)
  }
}

/** Runs of a job with a checkpoint whose process did not end them: before what they have left is known, the next one sends nothing. */
export class EarlierRuns {
  readonly #settings: EarlierRunsSettings
  readonly #left: string[]
  /** How often it was begun: only the latest goes on. */
  #turn = 0

  constructor(settings: EarlierRunsSettings) {
    this.#settings = settings
    this.#left = [...(settings.kept?.earlier ?? [])]
  }

  get areOver(): boolean {
    return this.#left.length === 0
  }

  /** Takes what they have left. Called once for each connection, since one that is lost meanwhile ends it. */
  async take(): Promise<void> {
    const { kept, missedMs, collect, isConnected, over, failed } = this.#settings
    const since = now()
    const turn = ++this.#turn
    for (let run = this.#left[0]; run !== undefined && turn === this.#turn; run = this.#left[0]) {
      try {
        await collect(run)
      } catch (error) {
        if (!isConnected() || turn !== this.#turn) return
        const isLive = error instanceof LiveRun
        if (isLive && now() - since > missedMs) return failed(liveError(error))
        if (!isLive || now() - since < AGAIN_MS)
          process.emitWarning(`Cannot take what an earlier run has left, and tries again: ${messageOf(error)}`, 'PymarWarning')
        const pause = error instanceof MuteQueue ? Math.max(AGAIN_MS, error.againMs) : AGAIN_MS
        await new Promise((later) => setTimeout(later, pause).unref())
        continue
      }
      if (turn !== this.#turn) return
      this.#left.shift()
      kept?.over(run)
      if (this.areOver) over()
    }
  }

  close(): void {
    this.#turn++
  }
}

function liveError(cause: LiveRun): PymarError {
  const advice =
    'let it end, or name another file: a copy of its checkpoint is the same job; if its machine is gone, wait until the broker has noticed'
  return new PymarError('CHECKPOINT', `Cannot go on with a job that another process computes: ${cause.message}; ${advice}`, { cause })
}

/**
 * Empties the reply queue of a run that is over. What is read is acknowledged when all of it was used: a process that ends before loses nothing.
 *
 * @param next Takes a message off it.
 */
export async function collectAnswers(
  channel: Channel,
  next: () => Promise<Message | false>,
  answer: (message: ReplyMessage, payload: Uint8Array | undefined) => void,
): Promise<void> {
  const reader = new Reader<ReplyMessage>(REPLY_MESSAGES)
  let last: Message | undefined
  for (let empty = 0; empty < 2; ) {
    const message = await next()
    if (message) {
      last = message
      for (const { message: said, payload } of await read(reader, message)) answer(said, payload)
      continue
    }
    empty++
    await new Promise((later) => setTimeout(later, LAST_MS))
  }
  if (last) channel.ack(last, true)
}

/** What cannot be read is no answer: its partition is computed again. */
async function read(reader: Reader<ReplyMessage>, message: Message) {
  try {
    return await reader.read(message)
  } catch (error) {
    process.emitWarning(messageOf(error), 'PymarWarning')
    return []
  }
}
