import { type Client, connect, idleMsOf } from './client.ts'
import type { Place } from './settings.ts'

/** Clients that nobody has used for so long, in milliseconds, are closed; the URI may say otherwise, by `maxIdleTimeMS`. */
const IDLE_MS = 30_000

interface Known {
  readonly client: Promise<Client>
  users: number
  timer?: NodeJS.Timeout | undefined
}

/** Clients of this process, by what they connect to. */
const clients = new Map<string, Known>()

/** A client for one partition. */
export interface Taken {
  readonly client: Client
  /** Keeps it for the next partition. */
  giveBack(): void
  /** Has the next partition connect anew: a client that has lost its server may take long to see that it is there again. */
  drop(): void
}

/** Takes this process's client of a server; a first one connects. */
export async function takeClient(place: Place): Promise<Taken> {
  const { uri } = place
  const known = clients.get(uri) ?? { client: connect(place, 'pymar slot'), users: 0 }
  clients.set(uri, known)
  clearTimeout(known.timer)
  known.users++
  try {
    const client = await known.client
    return { client, giveBack: () => letGo(uri, known, client), drop: () => drop(uri, known, client) }
  } catch (error) {
    forget(uri, known)
    throw error
  }
}

function letGo(uri: string, known: Known, client: Client) {
  if (--known.users > 0) return
  const close = () => {
    forget(uri, known)
    void client.close().catch(() => {})
  }
  if (clients.get(uri) !== known) close()
  else known.timer = setTimeout(close, idleMsOf(client) ?? IDLE_MS).unref()
}

/** Others that use it go on with it, and the last of them closes it. */
function drop(uri: string, known: Known, client: Client) {
  forget(uri, known)
  letGo(uri, known, client)
}

function forget(uri: string, known: Known) {
  if (clients.get(uri) === known) clients.delete(uri)
}
