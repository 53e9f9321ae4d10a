import { type Client, connect, keepAlive } from './client.ts'
import type { Settings } from './settings.ts'

/** Connections that nobody has used for so long, in milliseconds, are closed; CONF may say otherwise, as it may to pg's pools. */
const IDLE_MS = 30_000

interface Idle {
  readonly client: Client
  readonly timer: NodeJS.Timeout
}

/** Connections of this process that wait for the next partition, by what they connect to: one each. */
const idle = new Map<string, Idle>()

/** A connection for one partition, with whether it is a new one. */
export interface Taken {
  readonly client: Client
  readonly isNew: boolean
  /** Keeps it for the next partition. */
  giveBack(): void
  /** Ends it: nobody knows what state it is in. */
  drop(): void
}

/** Takes the connection that waits, or makes one. */
export async function takeConnection(settings: Settings): Promise<Taken> {
  const key = keyOf(settings)
  const idleMs = idleMsOf(settings)
  const waiting = idle.get(key)
  if (waiting) {
    idle.delete(key)
    clearTimeout(waiting.timer)
    keepAlive(waiting.client, true)
    return taken(key, waiting.client, false, idleMs)
  }
  const client = await connect(settings, 'pymar slot')
  client.once('end', () => forget(key, client))
  return taken(key, client, true, idleMs)
}

function taken(key: string, client: Client, isNew: boolean, idleMs: number): Taken {
  const drop = () => {
    forget(key, client)
    client.end().catch(() => {})
  }
  const giveBack = () => {
    if (idle.has(key)) return drop()
    idle.set(key, { client, timer: setTimeout(drop, idleMs).unref() })
    keepAlive(client, false)
  }
  return { client, isNew, giveBack, drop }
}

function idleMsOf({ conf: { idleTimeoutMillis } }: Settings): number {
  return typeof idleTimeoutMillis === 'number' ? idleTimeoutMillis : IDLE_MS
}

/** A connection that has ended waits for nobody. */
function forget(key: string, client: Client) {
  const waiting = idle.get(key)
  if (waiting?.client !== client) return
  idle.delete(key)
  clearTimeout(waiting.timer)
}

/** Sources that connect alike share a connection. Functions, such as one that gives the password, may be alike and give something else. */
function keyOf({ conf, name }: Settings): string {
  let hasFunctions = false
  const text = JSON.stringify(conf, (_, value) => {
    if (typeof value !== 'function') return value
    hasFunctions = true
    return String(value)
  })
  return hasFunctions ? `${name} ${text}` : text
}
