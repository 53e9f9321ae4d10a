import { backendOf, type Client, connect, execute, lastRowOf, parserOf, rowsOf } from './client.ts'
import { type Taken, takeConnection } from './connections.ts'
import { CopyOut } from './copy-out.ts'
import { decoderOf, parsedBy } from './decoders.ts'
import { isConnectionError, sourceFailed } from './errors.ts'
import { filesSql } from './plan-blocks.ts'
import { type RowDecoder, rowDecoder } from './row-decoder.ts'
import type { Settings } from './settings.ts'
import { checkAttributes, type Leaf, type Segments, type Shared } from './shared.ts'
import { enterSql } from './snapshot.ts'
import { columnsToRead, copySql, ownParser, type Place, selectSql, tableSql } from './statement.ts'

/** Rows of a block. Fixed: it shapes the answer's last bits. */
const BLOCK_ROWS = 4096
/** Connections that are tried for one partition. */
const TRIES = 3

/** The rows of one partition, in blocks, in one transaction, which is over when there are no more. */
export async function* readPartition(settings: Settings, shared: Shared, place: Place, signal: AbortSignal): AsyncGenerator<unknown[]> {
  checkAttributes(settings, shared)
  for (let attempt = 1; ; attempt++) {
    let delivered = false
    let taken: Taken | undefined
    try {
      taken = await takeConnection(settings)
      for await (const block of blocksOf(taken, settings, shared, place, signal)) {
        delivered = true
        yield block
      }
      return
    } catch (error) {
      signal.throwIfAborted()
      // Another connection may do, as long as nobody has seen a row.
      const mayTryAgain = !delivered && isConnectionError((error as { cause?: unknown }).cause ?? error)
      // One that had waited may have been closed meanwhile.
      if (mayTryAgain && (attempt < TRIES || taken?.isNew === false)) continue
      throw sourceFailed('read', settings.name, error)
    }
  }
}

async function* blocksOf(taken: Taken, settings: Settings, shared: Shared, place: Place, signal: AbortSignal): AsyncGenerator<unknown[]> {
  const { client } = taken
  let backend = backendOf(client)
  const cancel = () => {
    void cancelStatement(settings, backend)
    taken.drop()
  }
  let isOver = false
  signal.addEventListener('abort', cancel, { once: true })
  try {
    signal.throwIfAborted()
    const select = selectSql(settings, shared, place)
    backend = await enter(client, settings, shared, place, select)
    const copy = client.query(new CopyOut(copySql(select), decoderFor(client, settings, shared), BLOCK_ROWS))
    for (let block = await copy.next(); block; block = await copy.next()) yield block
    await execute(client, 'commit')
    isOver = true
  } finally {
    signal.removeEventListener('abort', cancel)
    if (isOver) taken.giveBack()
    else taken.drop()
  }
}

/** Sees the data as the job does. @returns What the server calls this session, whatever is between. */
async function enter(client: Client, settings: Settings, shared: Shared, place: Place, select: string): Promise<number> {
  const { cut } = shared
  const leaves = cut.by === 'blocks' ? (place.hint as Segments).map(([leaf]) => cut.leaves[leaf] as Leaf) : []
  const [backend, ...files] = await lastRowOf<[number, ...(number | null)[]]>(client, `${enterSql(shared, select)};\n${filesSql(leaves)}`)
  const changed = leaves.find(({ file }, i) => file !== files[i])
  if (!changed) return backend
  const found = `${tableSql(changed)} was rewritten since its partitions were planned, so they are not where they were`
  throw sourceFailed('read', settings.name, new Error(`${found}; the connection that kept it as it was is lost`))
}

/** Has the server end what it does for a session that nobody waits for. */
async function cancelStatement(settings: Settings, backend: number): Promise<void> {
  try {
    const client = await connect(settings, 'pymar cancel')
    await rowsOf(client, `select pg_cancel_backend(${backend})`)
    await client.end()
  } catch {
    // Its connection is closed too: then it ends with the next row that it cannot send.
  }
}

function decoderFor(client: Client, settings: Settings, { columns }: Shared): RowDecoder {
  const read = columnsToRead(settings, columns)
  const decoders = read.map((column) => {
    const own = ownParser(settings, column)
    return own ? parsedBy(own) : (decoderOf(column.type) ?? parsedBy(parserOf(client, column.type)))
  })
  return rowDecoder(decoders, settings.asObjects ? read.map(({ name }) => name) : undefined)
}
