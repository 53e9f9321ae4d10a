import type { Partition, Plan, PlanContext } from '@pymar/core'
import { type Client, rowsOf } from './client.ts'
import { sourceFailed } from './errors.ts'
import { type FoundLeaf, leavesOf, planByBlocks } from './plan-blocks.ts'
import { countRows, planByKeys } from './plan-keys.ts'
import { rowsOfTable, type Table } from './relation.ts'
import { describe, lock, type Scene } from './scene.ts'
import type { Settings, TableName } from './settings.ts'
import { type Cut, digestOf, type Shared } from './shared.ts'
import { OWN_LOCKS_SQL, Snapshot } from './snapshot.ts'
import { sortingOf } from './sorting.ts'

/** Tid Range Scans came with PostgreSQL 14. */
const BLOCKS_VERSION = 140_000

/** The partitions of a source, in a snapshot that is held until the plan is closed. */
export async function planSource(settings: Settings, count: number, context: PlanContext): Promise<Plan> {
  return during(settings, 'plan the partitions of', async () => {
    const snapshot = await Snapshot.take(settings, (client) => lock(client, settings), context.signal)
    const abort = () => void snapshot.abandon()
    context.signal.addEventListener('abort', abort, { once: true })
    try {
      const scene = await describe(settings, snapshot.client)
      const { partitions, cut } = await cutUp(scene, count, context)
      context.signal.throwIfAborted()
      const relations = await lockedRelations(snapshot.client)
      const { id, lock: number, session, lost } = snapshot
      const shared: Shared = {
        attributes: digestOf(settings),
        snapshot: id,
        lock: number,
        relations,
        session,
        columns: scene.columns,
        params: scene.params,
        cut,
      }
      return { partitions, shared, lost, close: () => snapshot.close() }
    } catch (error) {
      await snapshot.close()
      throw error
    } finally {
      context.signal.removeEventListener('abort', abort)
    }
  })
}

/** How many rows a source has, now. */
export async function countSource(settings: Settings): Promise<number> {
  return during(settings, 'count the rows of', async () => {
    const snapshot = await Snapshot.take(settings, (client) => lock(client, settings))
    try {
      const { client, rows } = await describe(settings, snapshot.client)
      return await countRows(client, rows)
    } finally {
      await snapshot.close()
    }
  })
}

/** What the script's session has locked by now: the tables of the job, under whatever names they have later. */
async function lockedRelations(client: Client): Promise<number[]> {
  const [row] = await rowsOf<[number[]]>(client, `select array(select distinct l.relation ${OWN_LOCKS_SQL})`)
  return row?.[0] ?? []
}

async function during<T>({ name }: Settings, doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw sourceFailed(doing, name, error)
  }
}

async function cutUp(scene: Scene, count: number, context: PlanContext): Promise<{ partitions: Partition[]; cut: Cut }> {
  const { settings, client, table, rows } = scene
  const { offset, limit } = context
  const isExact = settings.orderBy.length > 0 || offset !== undefined || limit !== undefined
  const leaves = table ? await leavesOf(client, table) : []
  if (!isExact && table && (await canReadBlocks(client, table, leaves))) {
    const partitions = await planByBlocks(client, leaves, count, (leaf) =>
      rowsOfTable(settings, settings.from as TableName, scene.params, leaf),
    )
    return { partitions, cut: { by: 'blocks', leaves: leaves.map(({ schema, table: name, file }) => ({ schema, table: name, file })) } }
  }
  const sorting = await sortingOf(scene, leaves)
  if (sorting.keys.length === 0) warnOnce(settings, table)
  const extent = { ...(offset !== undefined && { offset }), ...(limit !== undefined && { limit }) }
  return { partitions: await planByKeys(client, rows, sorting, count, extent), cut: { by: 'keys', ...sorting } }
}

/** Policies of a table are not those of its leaves, nor are its privileges. */
async function canReadBlocks(client: Client, table: Table, leaves: readonly FoundLeaf[]): Promise<boolean> {
  const [row] = await rowsOf<[number]>(client, `select current_setting('server_version_num')::int`)
  if ((row?.[0] ?? 0) < BLOCKS_VERSION || !/^[rpm]$/.test(table.kind)) return false
  if (leaves.some(({ kind, hasBlocks, mayRead }) => !mayRead || (!hasBlocks && kind !== 'f'))) return false
  const isOne = leaves.length === 1 && leaves[0]?.table === table.table && leaves[0].schema === table.schema
  return isOne || ![table, ...leaves].some(({ hasPolicies }) => hasPolicies)
}

const KINDS: Readonly<Record<string, string>> = { v: 'view', f: 'foreign table' }
const warned = new Set<string>()

function warnOnce({ name, from }: Settings, table: Table | undefined) {
  const key = JSON.stringify([name, from])
  if (warned.has(key)) return
  warned.add(key)
  const what = table ? `its ${KINDS[table.kind] ?? 'table'}` : 'its query'
  process.emitWarning(
    `${name} has no key to be cut up by, so each partition computes all of ${what}, sorts it and skips what is not its own; give it an ORDER_BY`,
    'PymarWarning',
  )
}
