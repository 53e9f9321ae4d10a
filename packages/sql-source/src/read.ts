import { type BlockRange, filesSql, segmentsOf } from './blocks.ts'
import { type Client, cancelStatement, lastRowOf, parserOf } from './client.ts'
import { type Taken, takeConnection } from './connections.ts'
import { CopyOut } from './copy-out.ts'
import { decoderOf, parsedBy } from './decoders.ts'
import { isConnectionError, sourceFailed } from './errors.ts'
import { quoteNames } from './quote.ts'
import { type RowDecoder, rowDecoder } from './row-decoder.ts'
import type { Parser, Settings } from './settings.ts'
import { checkAttributes, type Leaf, type Shared } from './shared.ts'
import { enterSql, strangerSql } from './snapshot.ts'
import { columnsToRead, copySql, ownParser, type Place, selectSql } from './statement.ts'

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
      if (error instanceof ParserFailure) throw error.cause
      // Another connection may do, as long as nobody has seen a row.
      const mayTryAgain = !delivered && isConnectionError((error as { cause?: unknown } | undefined)?.cause ?? error)
      // One that had waited may have been closed meanwhile.
      if (mayTryAgain && (attempt < TRIES || taken?.isNew === false)) continue
      throw sourceFailed('read', settings.name, error)
    }
  }
}

async function* blocksOf(taken: Taken, settings: Settings, shared: Shared, place: Place, signal: AbortSignal): AsyncGenerator<unknown[]> {
  const { client } = taken
  const cancel = () => {
    cancelStatement(client)
    taken.drop()
  }
  let isOver = false
  signal.addEventListener('abort', cancel, { once: true })
  try {
    signal.throwIfAborted()
    const select = selectSql(settings, shared, place)
    await enter(client, settings, shared, place, select)
    const copy = client.query(new CopyOut(copySql(select), decoderFor(client, settings, shared), BLOCK_ROWS))
    for (let block = await copy.next(); block; block = await copy.next()) yield block
    isOver = true
  } finally {
    signal.removeEventListener('abort', cancel)
    if (isOver) taken.giveBack()
    else taken.drop()
  }
}

/** Sees the data as the job does. */
async function enter(client: Client, settings: Settings, shared: Shared, place: Place, select: string): Promise<void> {
  const { cut } = shared
  const leaves = cut.by === 'blocks' ? segmentsOf(place.hint as BlockRange).map(([leaf]) => cut.leaves[leaf] as Leaf) : []
  const look = `select ${filesSql(leaves)}, (${strangerSql(shared.relations)})`
  const [files, stranger] = await lastRowOf<[(number | null)[], string | null]>(client, `${enterSql(shared, select)};\n${look}`)
  const refuse = (found: string) => sourceFailed('read', settings.name, new Error(`${found}: start the job again`))
  if (stranger !== null)
    throw refuse(`since its partitions were planned, ${stranger} was attached, created or renamed, and is none of the job's tables`)
  const changed = leaves.find(({ file }, i) => file !== files[i])
  if (!changed) return
  throw refuse(
    `${quoteNames(changed.schema, changed.table)} was rewritten since its partitions were planned, so they are not where they were`,
  )
}

/** A parser of the user's has thrown: that is no fault of the source. */
class ParserFailure extends Error {}

function guarded(parse: Parser): Parser {
  return (text) => {
    try {
      return parse(text)
    } catch (error) {
      throw new ParserFailure('a parser of TYPES has thrown', { cause: error })
    }
  }
}

function decoderFor(client: Client, settings: Settings, { columns }: Shared): RowDecoder {
  const read = columnsToRead(settings, columns)
  const decoders = read.map((column) => {
    const own = ownParser(settings, column)
    return own ? parsedBy(guarded(own)) : (decoderOf(column.type) ?? parsedBy(parserOf(client, column.type)))
  })
  return rowDecoder(decoders, settings.asObjects ? read.map(({ name }) => name) : undefined)
}
