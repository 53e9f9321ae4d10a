import { type Client, type Cursor, killSession, mayTryAgain, openCursor, withSession } from './client.ts'
import { BLOCK_DOCUMENTS, readCommand } from './commands.ts'
import { type Taken, takeClient } from './connections.ts'
import { sourceFailed } from './errors.ts'
import type { Place } from './settings.ts'
import { type Range, type Shared, unpackRange, unpackShared } from './shared.ts'

/** Times that one partition is tried. */
const TRIES = 3

/** The documents of one partition, in blocks. */
export async function* readPartition(place: Place, shared: Shared, range: Range, signal: AbortSignal): AsyncGenerator<unknown[]> {
  for (let attempt = 1; ; attempt++) {
    let delivered = false
    let taken: Taken | undefined
    try {
      taken = await takeClient(place)
      for await (const block of blocksOf(taken.client, shared, range, signal)) {
        delivered = true
        yield block
      }
      return
    } catch (error) {
      const isLost = mayTryAgain(error)
      if (isLost) {
        taken?.drop()
        taken = undefined
      }
      signal.throwIfAborted()
      // Another connection may do, as long as nobody has seen a document.
      if (delivered || attempt === TRIES || !isLost) throw sourceFailed('read', place.name, error)
    } finally {
      taken?.giveBack()
    }
  }
}

async function* blocksOf(client: Client, shared: Shared, range: Range, signal: AbortSignal): AsyncGenerator<unknown[]> {
  signal.throwIfAborted()
  const connection = withSession(client, signal)
  const { reading, cut } = unpackShared(shared)
  const cursor = openCursor(connection, reading, readCommand(reading, cut, unpackRange(range)))
  // Not every server knows sessions; its cursor is ended too.
  const abort = () => void killSession(connection).catch(() => {})
  signal.addEventListener('abort', abort, { once: true })
  let ahead = nextBlock(cursor)
  try {
    for (;;) {
      const block = await unlessAborted(ahead, signal)
      if (block.length === 0) return
      ahead = nextBlock(cursor)
      // Its failure is met at the next await; until then it must not count as unhandled.
      ahead.catch(() => {})
      // The next block is asked for before this one is computed.
      await new Promise((asked) => setImmediate(asked))
      yield block
    }
  } finally {
    signal.removeEventListener('abort', abort)
    // A cursor has a name, by which it is ended, once the server has answered. Nobody waits for that.
    void ahead
      .catch(() => {})
      .then(() => cursor.close())
      .then(() => connection.session.endSession())
      .catch(() => {})
  }
}

/** What is waited for, or the reason of an abort, whichever comes first. */
async function unlessAborted<T>(waited: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
  })
  try {
    return await Promise.race([waited, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** The documents of a batch: those of a block, or fewer where the server has cut it at 16 MiB. */
async function nextBlock(cursor: Cursor): Promise<unknown[]> {
  return (await cursor.hasNext()) ? cursor.readBufferedDocuments(BLOCK_DOCUMENTS) : []
}
