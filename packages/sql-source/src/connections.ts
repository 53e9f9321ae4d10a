import { type Client, connect, keepAlive } from './client.ts'
import type { Settings } from './settings.ts'

/** Connections that nobody has used for so long, in milliseconds, are closed. */
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
  const waiting = idle.get(key)
  if (waiting) {
    idle.delete(key)
    clearTimeout(waiting.timer)
    keepAlive(waiting.client, true)
    return taken(key, waiting.client, false)
  }
  return taken(key, await connect(settings, 'pymar slot'), true)
}

function taken(key: string, client: Client, isNew: boolean): Taken {
  const drop = () => {
    client.end().catch(() => {})
  }
  const giveBack = () => {
    if (idle.has(key)) return drop()
    const forget = () => {
      if (idle.get(key)?.client === client) idle.delete(key)
      clearTimeout(timer)
    }
    const timer = setTimeout(() => {
      forget()
      drop()
    }, IDLE_MS).unref()
    idle.set(key, { client, timer })
    client.once('end', forget)
    keepAlive(client, false)
  }
  return { client, isNew, giveBack, drop }
}

/** Sources that connect alike share a connection. What cannot be told apart by its text is its own. */
const keys = new WeakMap<object, string>()
let own = 0

function keyOf({ conf }: Settings): string {
  const plain = Object.values(conf).every((value) => value === null || typeof value !== 'object')
  if (plain && !Object.values(conf).some((value) => typeof value === 'function')) return JSON.stringify(conf)
  const known = keys.get(conf)
  if (known) return known
  const key = `${++own}`
  keys.set(conf, key)
  return key
}
