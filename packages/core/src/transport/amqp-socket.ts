import type { Socket } from 'node:net'
import { clearTimeout, nextTick, setTimeout } from '../timers.ts'

/** What amqplib's types do not tell of a connection. */
interface Inside {
  readonly stream?: Socket
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

/** Waits for an answer of the broker, but not for long. */
export async function soon(answer: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, GOODBYE_MS)
  })
  await Promise.race([answer, late])
  clearTimeout(timer)
}
