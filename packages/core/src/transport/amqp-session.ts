import {
  type Channel,
  type ChannelModel,
  type ConfirmChannel,
  type ConsumeMessage,
  connect,
  IllegalOperationError,
  type Message,
  type Options,
  type SocketOptions,
} from 'amqplib'
import type { LinkSettings } from './amqp-link.ts'
import { channelsOf, end, endWhenSilent, letGo, writeTogether } from './amqp-socket.ts'
import { PublishRefused } from './broker-error.ts'

/** What there is to do on a connection, as long as it lasts. */
export interface Session {
  /** For declaring and consuming. */
  readonly channel: Channel
  /** For publishing: the broker confirms what it has taken. */
  readonly publisher: ConfirmChannel
  readonly model: ChannelModel
  /** Why the broker has closed it, if that was for what was published. */
  readonly refusal: PublishRefused | undefined
}

const CONNECT_LIMIT_MS = 10_000
/** One to publish, one to declare and consume, and those for what must not disturb these, several at once. */
const LEAST_CHANNELS = 16

/**
 * Opens a connection with its channels. Whatever ends one of them ends all of it.
 *
 * @param leftMs How long it may take, in milliseconds.
 * @param opened Called with the connection, before anything is done on it: what is wrong with it is told by its end.
 */
export async function openSession(
  { broker, tls }: LinkSettings,
  leftMs: number,
  signal: AbortSignal,
  opened: (model: ChannelModel) => void,
): Promise<Session> {
  const url = new URL(broker.url)
  // amqplib looks for it there alone.
  url.searchParams.set('heartbeat', String(broker.heartbeatS))
  const timeout = Math.min(CONNECT_LIMIT_MS, leftMs)
  const options = { ...tls, noDelay: true, timeout, signal }
  const model = await connect(url.href, options as SocketOptions)
  letGo(model.connection)
  writeTogether(model.connection)
  endWhenSilent(model.connection)
  model.on('error', () => {})
  opened(model)
  try {
    const channels = channelsOf(model.connection)
    if (channels < LEAST_CHANNELS)
      throw new Error(`it allows ${channels} channels, and ${LEAST_CHANNELS} are needed: raise its channel_max`)
    const channel = await model.createChannel()
    const publisher = await model.createConfirmChannel()
    let refusal: PublishRefused | undefined
    channel.on('error', () => {})
    publisher.on('error', (error) => {
      refusal = new PublishRefused(error)
    })
    for (const one of [channel, publisher]) {
      // A channel that the broker has closed is of no use, nor is the rest of the session without it.
      one.on('close', () => void end(model))
    }
    return {
      channel,
      publisher,
      model,
      get refusal() {
        return refusal
      },
    }
  } catch (error) {
    await end(model)
    throw error
  }
}

/** Does what amqplib refuses on a channel that is about to close: then the broker does the rest. */
export function unlessClosing(tell: () => void): void {
  try {
    tell()
  } catch (error) {
    if (!(error instanceof IllegalOperationError)) throw error
  }
}

/** Whether the connection was lost before the broker has answered a question. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof Error && error.message === 'Channel ended, no reply will be forthcoming'
}

/** Whether the broker has said that it does not take a message that was published; otherwise it has said nothing, and the connection is lost. */
export function isNack(error: unknown): boolean {
  return error instanceof Error && error.message === 'message nacked'
}

export type PublishOptions = Options.Publish
export type QueueOptions = Options.AssertQueue
export type { Channel, ChannelModel, ConsumeMessage, Message }
