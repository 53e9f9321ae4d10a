import type { Partition } from '@pymar/core'
import { type Client, rowsOf } from './client.ts'
import { atOrAfter, type Boundary, type Key, type KeyRange, keySql, orderSql } from './keys.ts'
import { type Rows, whereSql } from './relation.ts'

/** Which rows, of all as they are sorted. */
export interface Extent {
  readonly offset?: number
  readonly limit?: number
}

/** How rows are sorted: by keys, and those that have the same ones by ties; without ties no two rows have the same keys. */
export interface Sorting {
  readonly keys: readonly Key[]
  readonly ties: readonly Key[]
}

/** How many rows there are, or may be of use. */
export async function countRows(client: Client, { from, where }: Rows, { offset = 0, limit }: Extent = {}): Promise<number> {
  const all = `${from}${whereSql(where)}`
  // One more tells whether the last one asked for is the last there is.
  const counted = limit === undefined ? all : `(select from ${all} limit ${offset + limit + 1}) as counted`
  const [row] = await rowsOf<[string]>(client, `select count(*) from ${counted}`)
  return Number(row?.[0])
}

/** Partitions of exactly as many rows each, give or take one, by the keys of the rows that they begin with. */
export async function planByKeys(client: Client, rows: Rows, sorting: Sorting, count: number, extent: Extent): Promise<Partition[]> {
  const total = await countRows(client, rows, extent)
  const end = Math.min(total, (extent.offset ?? 0) + (extent.limit ?? total))
  const start = Math.min(extent.offset ?? 0, end)
  const parts = Math.min(count, end - start)
  const positions = Array.from({ length: parts + 1 }, (_, i) => start + Math.floor(((end - start) / parts) * i))
  if (parts > 0) positions[parts] = end
  // Before the first row there is nothing to tell apart, nor behind the last one.
  const wanted = positions.filter((position) => position > 0 && position < total)
  const boundaries = await findBoundaries(client, rows, sorting, wanted)
  return Array.from({ length: parts }, (_, index) => {
    const [offset, next] = [positions[index] as number, positions[index + 1] as number]
    const [from, to] = [boundaries.get(offset), boundaries.get(next)]
    const hint: KeyRange = { ...(from && { from }), ...(to && { to }) }
    return { index, offset, limit: next - offset, hint }
  })
}

/** The boundaries at these positions, which ascend. */
async function findBoundaries(client: Client, rows: Rows, sorting: Sorting, positions: readonly number[]): Promise<Map<number, Boundary>> {
  const { keys } = sorting
  if (keys.length === 0) return new Map(positions.map((position) => [position, { values: [], skip: position }]))
  if (positions.length === 0) return new Map()
  return (await isSortedByIndex(client, rows, sorting, positions))
    ? probe(client, rows, keys, positions)
    : numberAll(client, rows, sorting, positions)
}

/** Keys under names of their own: they become texts where they are few, since that costs more than to read them. */
const valuesSql = (keys: readonly Key[], { columnSql }: Rows) => keys.map((key, i) => `${keySql(key, columnSql)} as k${i}`).join(', ')
const textsSql = (keys: readonly Key[]) => keys.map((_, i) => `k${i}::text`).join(', ')

/** Whether an index gives the rows as they are sorted. */
async function isSortedByIndex(client: Client, rows: Rows, { keys, ties }: Sorting, positions: readonly number[]): Promise<boolean> {
  if (ties.length > 0) return false
  const [row] = await rowsOf<[unknown]>(client, `explain (format json) ${probeSql(rows, keys, undefined, positions[0] as number)}`)
  return !/"Node Type": ?"(Incremental )?Sort"/.test(JSON.stringify(row))
}

/** Each from the one before it, along the index. */
async function probe(client: Client, rows: Rows, keys: readonly Key[], positions: readonly number[]): Promise<Map<number, Boundary>> {
  const boundaries = new Map<number, Boundary>()
  let before: { readonly position: number; readonly boundary: Boundary } | undefined
  for (const position of positions) {
    const [values] = await rowsOf<(string | null)[]>(client, probeSql(rows, keys, before?.boundary, position - (before?.position ?? 0)))
    if (!values) throw new Error(`there is no row ${position} by its keys; does ORDER_BY sort the same way each time?`)
    before = { position, boundary: { values, skip: 0 } }
    boundaries.set(position, before.boundary)
  }
  return boundaries
}

function probeSql(rows: Rows, keys: readonly Key[], from: Boundary | undefined, offset: number): string {
  const { where, columnSql } = rows
  const behind = from && atOrAfter(keys, from, columnSql)
  const order = orderSql(keys, columnSql)
  const found = `select ${valuesSql(keys, rows)} from ${rows.from}${whereSql(where, behind)} ${order} offset ${offset} limit 1`
  return `select ${textsSql(keys)} from (${found}) as found`
}

/** All at once: the rows are sorted, and numbered. */
async function numberAll(
  client: Client,
  rows: Rows,
  { keys, ties }: Sorting,
  positions: readonly number[],
): Promise<Map<number, Boundary>> {
  const { from, where, columnSql } = rows
  const all = orderSql([...keys, ...ties], columnSql)
  // How many rows with the same keys come before it: none, where no two rows have the same.
  const skip = ties.length > 0 ? `row_number() over (${all}) - rank() over (${orderSql(keys, columnSql)})` : '0'
  const found = await rowsOf<[position: string, skip: string, ...values: (string | null)[]]>(
    client,
    `select n, skip, ${textsSql(keys)} from (select row_number() over (${all}) - 1 as n, ${skip} as skip, ${valuesSql(keys, rows)}
    from ${from}${whereSql(where)}) as numbered where n in (${positions.join(', ')})`,
  )
  return new Map(found.map(([position, skipped, ...values]) => [Number(position), { values, skip: Number(skipped) }]))
}
