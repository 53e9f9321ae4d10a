import type { Socket } from 'node:net'
import { clearInterval, nextTick, setInterval, withLimit } from '../timers.ts'

/** What amqplib's types do not tell of a connection. */
interface Inside {
  readonly stream?: Socket
  /** Seconds, as both sides have agreed; 0: none. */
  readonly heartbeat?: number
  /** The highest number of a channel, as both sides have agreed; 0: none. */
  readonly channelMax?: number
  readonly heartbeater?: { readonly sendTimer?: NodeJS.Timeout; readonly recvTimer?: NodeJS.Timeout }
}

/** A connection, as amqplib gives it. */
interface Model {
  readonly connection: unknown
  once(event: 'close', listener: () => void): unknown
  close(): Promise<void>
}

/** A broker that does not answer a goodbye is left after so long, in milliseconds. */
const GOODBYE_MS = 1000
/** How often in a heartbeat it is looked whether something came. */
const LOOKS = 4
/** So many looks that find nothing: with what has passed before the first of them that is two heartbeats at most, of which a broker sends four. */
const SILENT_LOOKS = 2 * LOOKS - 1

/** What is written in one turn goes in one system call: each costs as much as a small task. */
export function writeTogether(connection: unknown): void {
  const { stream } = connection as Inside
  if (!stream) return
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean
  let corked = false
  const together = (...args: unknown[]) => {
    if (!corked) {
      corked = true
      stream.cork()
      nextTick(() => {
        corked = false
        stream.uncork()
      })
    }
    return write(...args)
  }
  stream.write = together as Socket['write']
}

/** A connection keeps no process alive: jobs and workers do. */
export function letGo(connection: unknown): void {
  const { stream, heartbeater } = connection as Inside
  for (const held of [stream, heartbeater?.sendTimer, heartbeater?.recvTimer]) held?.unref?.()
}

/**
 * Ends a connection on which nothing comes for two heartbeats: amqplib counts whole ones, and may take three. Looks are counted and not
 * time, since a process that was busy finds what came meanwhile only afterwards.
 */
export function endWhenSilent(connection: unknown): void {
  const { stream, heartbeat } = connection as Inside
  if (!stream || !heartbeat) return
  let [bytes, silent] = [stream.bytesRead, 0]
  const look = () => {
    silent = stream.bytesRead === bytes ? silent + 1 : 0
    bytes = stream.bytesRead
    if (silent === SILENT_LOOKS) cut(connection)
  }
  const timer = setInterval(look, (heartbeat * 1000) / LOOKS).unref()
  stream.once('close', () => clearInterval(timer))
}

/** Whether some of what was written waits in this process: the other side has not taken it yet. */
export function hasUnsent(connection: unknown): boolean {
  const { stream } = connection as Inside
  return (stream?.writableLength ?? 0) > 0
}

/** How many channels it may have at once. */
export function channelsOf(connection: unknown): number {
  const { channelMax } = connection as Inside
  return channelMax || Number.POSITIVE_INFINITY
}

/** Ends a connection without a word, if it is still there. */
export function cut(connection: unknown): void {
  const { stream } = connection as Inside
  if (stream && !stream.destroyed) stream.destroy(new Error('the broker does not answer'))
}

/** Closes a connection, for good. amqplib does not say that it is closed if it is lost meanwhile; and a broker that reads nothing does not hear of it. */
export async function end(model: Model): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    model.once('close', () => resolve())
    model.close().then(resolve, () => resolve())
  })
  await soon(closed)
  cut(model.connection)
}

/** Waits for an answer of the broker, whatever it is, but not for long. */
export async function soon(answer: Promise<unknown>): Promise<void> {
  await withLimit(answer, GOODBYE_MS, 'the broker does not answer').catch(() => {})
}
