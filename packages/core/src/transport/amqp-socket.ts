import type { Socket } from 'node:net'
import { nextTick } from '../timers.ts'

/** What amqplib's types do not tell of a connection. */
interface Inside {
  readonly stream?: Socket
  readonly heartbeater?: { readonly sendTimer?: NodeJS.Timeout; readonly recvTimer?: NodeJS.Timeout }
}

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
