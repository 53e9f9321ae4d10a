import { messageOf } from '../errors.ts'
import { setTimeout } from '../timers.ts'
import { decompress } from '../wire/compress.ts'
import { Joiner, unpack } from '../wire/frame.ts'
import { REPLY_MESSAGES, type ReplyMessage, readMessage } from '../wire/protocol.ts'
import type { Channel, Message } from './amqp-link.ts'

/** Answers that are on their way while a queue is emptied come within so many milliseconds. */
const LAST_MS = 200

/** Empties the reply queue of a run that is over, and deletes it. What is read is acknowledged when all of it was used: a process that ends before loses nothing. */
export async function collectAnswers(
  channel: Channel,
  queue: string,
  answer: (message: ReplyMessage, payload: Uint8Array | undefined) => void,
): Promise<void> {
  const joiner = new Joiner()
  let last: Message | undefined
  for (let empty = 0; empty < 2; ) {
    const message = await channel.get(queue)
    if (message) {
      last = message
      for (const { message: said, payload } of await read(joiner, message)) answer(said, payload)
      continue
    }
    empty++
    await new Promise((later) => setTimeout(later, LAST_MS))
  }
  if (last) channel.ack(last, true)
  await channel.deleteQueue(queue)
}

/** What cannot be read is no answer: its partition is computed again. */
async function read(joiner: Joiner, { content, properties: { appId, headers, contentEncoding } }: Message) {
  try {
    const body = joiner.add(String(appId), headers, content)
    if (!body) return []
    const frame = contentEncoding === undefined ? body : await decompress(body)
    return unpack(frame).map(({ message, payload }) => ({ message: readMessage<ReplyMessage>(message, REPLY_MESSAGES), payload }))
  } catch (error) {
    process.emitWarning(messageOf(error), 'PymarWarning')
    return []
  }
}
