import { type Partition, type Plan, type PlanContext, PymarError } from '@pymar/core'
import { type Client, execute, rowsOf } from './client.ts'
import { sourceFailed } from './errors.ts'
import type { Key } from './keys.ts'
import { type FoundLeaf, leavesOf, planByBlocks } from './plan-blocks.ts'
import { countRows, planByKeys } from './plan-keys.ts'
import type { Literal } from './quote.ts'
import { quoteName } from './quote.ts'
import {
  type Column,
  describeColumns,
  describeParams,
  describeTable,
  type Rows,
  rowsOfQuery,
  rowsOfTable,
  type Table,
  whereSql,
} from './relation.ts'
import type { OrderColumn, Settings, TableName } from './settings.ts'
import { attributesOf, type Cut, type Shared } from './shared.ts'
import { Snapshot } from './snapshot.ts'
import { tableSql } from './statement.ts'

/** Tid Range Scans came with PostgreSQL 14. */
const BLOCKS_VERSION = 140_000

/** All that is known of what a source reads, in one snapshot. */
interface Scene {
  readonly settings: Settings
  readonly client: Client
  readonly params: readonly Literal[]
  /** Undefined for a query. */
  readonly table: Table | undefined
  readonly columns: readonly Column[]
  readonly rows: Rows
}

/** The partitions of a source, in a snapshot that is held until the plan is closed. */
export async function planSource(settings: Settings, count: number, context: PlanContext): Promise<Plan> {
  return during(settings, 'plan the partitions of', async () => {
    const snapshot = await Snapshot.take(settings, (client) => lock(client, settings))
    const abort = () => void snapshot.close().catch(() => {})
    context.signal.addEventListener('abort', abort, { once: true })
    try {
      const scene = await describe(settings, snapshot.client)
      const { partitions, cut } = await cutUp(scene, count, context)
      const { id, lock: number, session, lost } = snapshot
      const shared: Shared = {
        attributes: attributesOf(settings),
        snapshot: id,
        lock: number,
        session,
        columns: scene.columns,
        params: scene.params,
        cut,
      }
      return { partitions, shared, lost, close: () => snapshot.close() }
    } catch (error) {
      await snapshot.close().catch(() => {})
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

async function during<T>({ name }: Settings, doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw sourceFailed(doing, name, error)
  }
}

/** Keeps tables as they are. What cannot be locked by name, such as a foreign table, is by the first look at it. */
async function lock(client: Client, { from }: Settings): Promise<void> {
  if ('query' in from) return
  await execute(client, 'savepoint pymar_lock')
  try {
    await execute(client, `lock table ${tableSql(from)} in access share mode`)
  } catch (error) {
    // Of another kind than tables and views.
    if ((error as { code?: string }).code !== '42809') throw error
    await execute(client, 'rollback to savepoint pymar_lock')
  }
  await execute(client, 'release savepoint pymar_lock')
}

async function describe(settings: Settings, client: Client): Promise<Scene> {
  const { from, columns: wanted } = settings
  const params = await describeParams(client, settings)
  if ('query' in from) {
    const columns = await describeColumns(client, `select * from ${rowsOfAnyQuery(from.query, params)}`)
    checkColumns(settings, columns)
    return {
      settings,
      client,
      params,
      table: undefined,
      columns,
      rows: rowsOfQuery(
        from.query,
        columns.map(({ name }) => name),
        params,
      ),
    }
  }
  const table = await describeTable(client, from)
  if (table.isTemporary) throw refuse(settings, 'it is a temporary table, which no other session can read')
  const rows = rowsOfTable(settings, from, params)
  const list = wanted ? wanted.map(quoteName).join(', ') : '*'
  // With the condition, so that what is wrong with it is found out now.
  const columns = await describeColumns(client, `select ${list} from ${rows.from}${whereSql(rows.where)}`)
  if (columns.length === 0) throw refuse(settings, 'it has no columns')
  return { settings, client, params, table, columns, rows }
}

/** A query as a FROM item under its own names. */
function rowsOfAnyQuery(query: string, params: readonly Literal[]): string {
  return rowsOfQuery(query, [], params).from
}

function checkColumns(settings: Settings, known: readonly Column[]) {
  const names = known.map(({ name }) => name)
  for (const name of [...(settings.columns ?? []), ...settings.orderBy.map(({ column }) => column)]) {
    const times = names.filter((other) => other === name).length
    if (times === 1) continue
    throw refuse(
      settings,
      `its query gives ${times === 0 ? 'no column' : `${times} columns`} "${name}"; it gives ${names.join(', ') || 'none'}`,
    )
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
  const keys = await keysOf(scene, leaves)
  const ties = isUnique(keys) ? [] : tiesOf(scene)
  if (keys.length === 0) warnOnce(settings)
  const sorting = { keys: keys.map(({ unique: _, ...key }) => key), ties }
  const extent = { ...(offset !== undefined && { offset }), ...(limit !== undefined && { limit }) }
  return { partitions: await planByKeys(client, rows, sorting, count, extent), cut: { by: 'keys', ...sorting } }
}

/** Policies of a table are not those of its leaves, nor are its privileges. */
async function canReadBlocks(client: Client, table: Table, leaves: readonly FoundLeaf[]): Promise<boolean> {
  const [row] = await rowsOf<[number]>(client, `select current_setting('server_version_num')::int`)
  if ((row?.[0] ?? 0) < BLOCKS_VERSION || !/^[rpm]$/.test(table.kind)) return false
  if (leaves.some(({ kind, hasBlocks, mayRead }) => !mayRead || (!hasBlocks && kind !== 'f'))) return false
  const isOne = leaves.length === 1 && leaves[0]?.table === table.table && leaves[0].schema === table.schema
  return isOne || !table.hasPolicies
}

type FoundKey = Key & { /** Whether no two rows have the same keys up to this one. */ readonly unique?: boolean }

function isUnique(keys: readonly FoundKey[]): boolean {
  return keys.at(-1)?.unique === true
}

/** The columns of ORDER_BY, then what tells rows apart that have the same ones: the primary key, or where they lie. */
async function keysOf(scene: Scene, leaves: readonly FoundLeaf[]): Promise<FoundKey[]> {
  const { settings, client, table, columns } = scene
  if (!table) return settings.orderBy.map((order) => keyOf(order, columns.find(({ name }) => name === order.column) as Column, true))
  const attributes = await attributesOfTable(client, table)
  const ordered = settings.orderBy.map((order) => {
    const found = attributes.find(({ name }) => name === order.column)
    if (!found)
      throw refuse(
        settings,
        `ORDER_BY names a column "${order.column}", and ${tableSql(table)} has ${attributes
          .filter(({ number }) => number > 0)
          .map(({ name }) => name)
          .join(', ')}${adviceOnOrder(order)}`,
      )
    return keyOf(order, found, !found.notNull)
  })
  const breakers = breakersOf(table, attributes, leaves).filter(({ column }) => !ordered.some((key) => key.column === column))
  const keys = [...ordered, ...breakers]
  const last = keys.at(-1)
  return breakersOf(table, attributes, leaves).length > 0 && last ? [...keys.slice(0, -1), { ...last, unique: true }] : keys
}

function adviceOnOrder({ column }: OrderColumn): string {
  const [, name, direction] = /^(.*?)\s+(asc|desc)$/i.exec(column) ?? []
  return name ? `; write { column: '${name}', direction: '${direction?.toLowerCase()}' }` : ''
}

function keyOf({ column, descending, nullsFirst }: OrderColumn, { typeName }: Pick<Column, 'typeName'>, nullable: boolean): FoundKey {
  return { column, typeName, descending, nullsFirst, nullable }
}

interface Attribute extends Pick<Column, 'name' | 'typeName'> {
  /** Below 0 for a system column. */
  readonly number: number
  readonly notNull: boolean
  /** Its place in the primary key, from 1; 0 for none. */
  readonly keyPlace: number
}

async function attributesOfTable(client: Client, { oid }: Table): Promise<Attribute[]> {
  const rows = await rowsOf<[name: string, schema: string, type: string, number: number, notNull: boolean, keyPlace: number]>(
    client,
    `select a.attname, n.nspname, t.typname, a.attnum, a.attnotnull, coalesce((select k.place::int from pg_index i, unnest(i.indkey) with ordinality k(number, place)
      where i.indrelid = a.attrelid and i.indisprimary and k.number = a.attnum and k.place <= i.indnkeyatts), 0)
    from pg_attribute a join pg_type t on t.oid = a.atttypid join pg_namespace n on n.oid = t.typnamespace
    where a.attrelid = ${oid} and not a.attisdropped order by a.attnum`,
  )
  return rows.map(([name, schema, type, number, notNull, keyPlace]) => ({ name, typeName: [schema, type], number, notNull, keyPlace }))
}

/** What tells all rows of a table apart, or nothing. A primary key is that of one table, without those that inherit from it. */
function breakersOf(table: Table, attributes: readonly Attribute[], leaves: readonly FoundLeaf[]): FoundKey[] {
  const ascending = ({ name, typeName }: Attribute) => keyOf({ column: name, descending: false, nullsFirst: false }, { typeName }, false)
  const primary = attributes.filter(({ keyPlace }) => keyPlace > 0).sort((a, b) => a.keyPlace - b.keyPlace)
  if (primary.length > 0 && (table.kind === 'p' || leaves.length === 1)) return primary.map(ascending)
  if (leaves.length === 0 || leaves.some(({ hasBlocks }) => !hasBlocks)) return []
  const names = leaves.length > 1 ? ['tableoid', 'ctid'] : ['ctid']
  return names.map((name) => ascending(attributes.find((attribute) => attribute.name === name) as Attribute))
}

/** All columns, as text: rows that they do not tell apart are the same. */
function tiesOf({ columns }: Scene): Key[] {
  const typeName = ['pg_catalog', 'text'] as const
  return columns.map(({ name }) => ({ column: name, typeName, descending: false, nullsFirst: false, nullable: true, asText: true }))
}

const warned = new Set<string>()

function warnOnce({ name, from }: Settings) {
  if (warned.has(name)) return
  warned.add(name)
  const what = 'query' in from ? 'its query' : 'its view'
  process.emitWarning(
    `${name} has no key to be cut up by, so each partition computes all of ${what}, sorts it and skips what is not its own; give it an ORDER_BY`,
    'PymarWarning',
  )
}

function refuse({ name }: Settings, found: string): PymarError {
  return new PymarError('SOURCE_FAILED', `Cannot plan the partitions of ${name}: ${found}`)
}
