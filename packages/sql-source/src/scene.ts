import { type Client, execute } from './client.ts'
import { unreadable } from './errors.ts'
import { type Literal, quoteName, quoteNames } from './quote.ts'
import {
  type Column,
  describeColumns,
  describeParams,
  describeTable,
  queryRef,
  type Rows,
  rowsOfQuery,
  rowsOfTable,
  type Table,
  whereSql,
} from './relation.ts'
import type { Settings, TableName } from './settings.ts'

/** SQLSTATEs: what a lock is not for, and who may not have one. */
const NOT_LOCKABLE: ReadonlySet<string> = new Set(['42809', '42501'])

/** All that is known of what a source reads, in one snapshot. */
export interface Scene {
  readonly settings: Settings
  readonly client: Client
  readonly params: readonly Literal[]
  /** Undefined for a query. */
  readonly table: Table | undefined
  readonly columns: readonly Column[]
  readonly rows: Rows
}

/** Keeps tables as they are. What cannot be locked by name, such as a foreign table, is by the first look at it. */
export async function lock(client: Client, { from }: Settings): Promise<void> {
  if ('query' in from) return
  await execute(client, 'savepoint pymar_lock')
  try {
    await execute(client, `lock table ${quoteNames(from.schema, from.table)} in access share mode`)
  } catch (error) {
    // Of another kind than tables and views, or readable by some columns only.
    if (!NOT_LOCKABLE.has(String((error as { code?: unknown }).code))) throw error
    await execute(client, 'rollback to savepoint pymar_lock')
  }
  await execute(client, 'release savepoint pymar_lock')
}

/** Finds out what a source reads. */
export async function describe(settings: Settings, client: Client): Promise<Scene> {
  const params = await describeParams(client, settings)
  const { from } = settings
  return 'query' in from ? describeQuery(settings, client, params, from.query) : describeRows(settings, client, params, from)
}

async function describeQuery(settings: Settings, client: Client, params: readonly Literal[], query: string): Promise<Scene> {
  const columns = await describeColumns(client, `select * from ${rowsOfQuery(query, 0, params).from}`, (_, at) => queryRef(at))
  if (columns.length === 0) throw unreadable(settings.name, 'its query gives no columns')
  checkColumns(settings, columns)
  return { settings, client, params, table: undefined, columns, rows: rowsOfQuery(query, columns.length, params) }
}

async function describeRows(settings: Settings, client: Client, params: readonly Literal[], from: TableName): Promise<Scene> {
  const table = await describeTable(client, from)
  if (table.isTemporary) throw unreadable(settings.name, 'it is a temporary table, which no other session can read')
  const rows = rowsOfTable(settings, from, params)
  const list = settings.columns ? settings.columns.map(quoteName).join(', ') : '*'
  // With the condition, so that what is wrong with it is found out now.
  const columns = await describeColumns(client, `select ${list} from ${rows.from}${whereSql(rows.where)}`, (name) => name)
  if (columns.length === 0) throw unreadable(settings.name, 'it has no columns')
  return { settings, client, params, table, columns, rows }
}

function checkColumns(settings: Settings, known: readonly Column[]) {
  const names = known.map(({ name }) => name)
  for (const name of [...(settings.columns ?? []), ...settings.orderBy.map(({ column }) => column)]) {
    const times = names.filter((other) => other === name).length
    if (times === 1) continue
    throw unreadable(
      settings.name,
      `its query gives ${times === 0 ? 'no column' : `${times} columns`} "${name}"; it gives ${names.join(', ') || 'none'}`,
    )
  }
}
