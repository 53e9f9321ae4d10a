import type { Plan, PlanContext } from '@pymar/core'
import { countDocuments, planBySample, planExactly, type Scene } from './boundaries.ts'
import {
  type Client,
  type Connection,
  concernOf,
  connect,
  type Document,
  documentsOf,
  isRefusal,
  killSession,
  refusedOr,
  send,
  withSession,
} from './client.ts'
import { type Cut, collectionCommand, openCommand, readCommand, typesCommand } from './commands.ts'
import { sourceFailed } from './errors.ts'
import { indexOfSort, refuseArrays } from './index-of-sort.ts'
import type { Place, Reading } from './settings.ts'
import { packShared, type Range, unpackRange } from './shared.ts'

/** How long a snapshot is asked for, in milliseconds: of what was made just now there is none yet. */
const SNAPSHOT_LIMIT_MS = 10_000
const SNAPSHOT_POLL_MS = 50
/** SnapshotUnavailable */
const NOT_YET = 246

/** The partitions of a source: ranges of its sort key. */
export async function planSource(place: Place, asked: Reading, count: number, context: PlanContext): Promise<Plan> {
  const { offset, limit, signal } = context
  const extent = { ...(offset !== undefined && { offset }), ...(limit !== undefined && { limit }) }
  return withConnection(place, 'plan the partitions of', signal, async (connection) => {
    const reading = withConcern(asked, connection.client)
    const options = await optionsOf(place.name, connection, reading)
    const at = await open(connection, reading, options?.['capped'] !== true)
    const commonTypes = (await refusedOr(documentsOf(connection, reading, typesCommand(reading)))) === undefined
    const bare: Scene = { name: place.name, connection, reading, cut: { commonTypes, ...(at !== undefined && { at }) }, extent }
    const index = await indexOfSort(bare, options?.['collation'] !== undefined)
    await refuseArrays(bare, index)
    const scene: Scene = index === undefined ? bare : { ...bare, cut: { ...bare.cut, index } }
    const sampled = await planBySample(scene, count)
    const partitions = sampled ?? (await planExactly(scene, count))
    // An aggregation takes no bounds of an index.
    const cut: Cut = reading.pipeline.length > 0 ? bare.cut : scene.cut
    // What slots could not say is found out here.
    for (const { hint } of partitions) readCommand(reading, cut, unpackRange(hint as Range))
    // Another process would read as of another time, or between other boundaries.
    return { partitions, shared: packShared(reading, cut), resumable: at === undefined && !sampled }
  })
}

/** How many documents a source has, now. */
export async function countSource(place: Place, asked: Reading): Promise<number> {
  return withConnection(place, 'count the documents of', new AbortController().signal, (connection) =>
    countDocuments({ connection, reading: withConcern(asked, connection.client), cut: {}, extent: {} }),
  )
}

async function withConnection<T>(
  place: Place,
  doing: string,
  signal: AbortSignal,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const client = await connect(place, 'pymar job')
  const connection = withSession(client, signal)
  const abort = () => void killSession(connection).catch(() => {})
  signal.addEventListener('abort', abort, { once: true })
  try {
    signal.throwIfAborted()
    return await work(connection)
  } catch (error) {
    signal.throwIfAborted()
    throw sourceFailed(doing, place.name, error)
  } finally {
    signal.removeEventListener('abort', abort)
    await client.close().catch(() => {})
  }
}

/** The class says it, or else the URI. */
function withConcern(reading: Reading, client: Client): Reading {
  const concern = reading.concern ?? concernOf(client)
  return concern === undefined ? reading : { ...reading, concern }
}

/**
 * Finds out whether documents can be read as they are asked for, and as of one time.
 *
 * @param hasPast A capped collection has none.
 * @returns The time, where the server has one.
 */
async function open(connection: Connection, reading: Reading, hasPast: boolean): Promise<unknown> {
  const wantsSnapshot = reading.concern === 'snapshot' || (hasPast && reading.concern === undefined)
  for (const latest = performance.now() + SNAPSHOT_LIMIT_MS; wantsSnapshot; ) {
    try {
      return (await send(connection, reading, openCommand(reading, true)))['cursor'].atClusterTime
    } catch (error) {
      if (!isRefusal(error) || reading.concern === 'snapshot') throw error
      if (error.code !== NOT_YET || performance.now() > latest) break
    }
    await new Promise((later) => setTimeout(later, SNAPSHOT_POLL_MS))
  }
  await send(connection, reading, openCommand(reading, false))
  return undefined
}

/** How a collection was made; a missing one is warned of. Undefined where this user may not know. */
async function optionsOf(name: string, connection: Connection, reading: Reading): Promise<Document | undefined> {
  const { db, collection } = reading
  const listed = await refusedOr(documentsOf(connection, reading, collectionCommand(reading)))
  if (listed?.length === 0)
    process.emitWarning(`${name} reads collection "${collection}" of database "${db}", which is not there: it is empty`, 'PymarWarning')
  return listed?.[0]?.['options']
}
