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

/** Takes this process's client of a server; a first one connects. */
export async function takeClient(place: Place): Promise<Client> {
  const { uri } = place
  const known = clients.get(uri) ?? { client: connect(place, 'pymar slot'), users: 0 }
  clients.set(uri, known)
  clearTimeout(known.timer)
  known.users++
  try {
    return await known.client
  } catch (error) {
    if (clients.get(uri) === known) clients.delete(uri)
    throw error
  }
}

/** Lets go of it: it is kept for the next partition. */
export function giveBack({ uri }: Place): void {
  const known = clients.get(uri)
  if (!known || --known.users > 0) return
  void known.client.then((client) => {
    if (known.users > 0 || clients.get(uri) !== known) return
    known.timer = setTimeout(() => {
      clients.delete(uri)
      void client.close().catch(() => {})
    }, idleMsOf(client) ?? IDLE_MS).unref()
  })
}
