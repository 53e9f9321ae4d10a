import { type BlockRange, blocksSql, segmentsOf } from './blocks.ts'
import { decoderOf } from './decoders.ts'
import {
  atOrAfter,
  before,
  type ColumnSql,
  type Key,
  type KeyRange,
  keySql,
  valueSql as keyValueSql,
  nullSql,
  operatorSql,
  orderSql,
} from './keys.ts'
import { type Column, type Rows, rowsOfQuery, rowsOfTable, whereSql } from './relation.ts'
import type { Parser, Settings } from './settings.ts'
import type { Shared } from './shared.ts'

/** A partition's place, as its statement needs it. */
export interface Place {
  readonly limit: number
  readonly hint: unknown
}

/** The columns that are read, of those that are known. */
export function columnsToRead({ from, columns }: Settings, known: readonly Column[]): Column[] {
  if (!('query' in from) || !columns) return [...known]
  return columns.map((name) => known.find((column) => column.name === name) as Column)
}

/** A parser of TYPES, by either name of the type. */
export function ownParser({ types }: Settings, { typeName, typeAlias }: Column): Parser | undefined {
  return types.get(typeName[1]) ?? types.get(typeAlias)
}

/** The SELECT that gives the rows of one partition. */
export function selectSql(settings: Settings, shared: Shared, place: Place): string {
  const { from } = settings
  const { cut, params, columns } = shared
  if (cut.by === 'blocks') {
    if ('query' in from) throw new TypeError('a query has no blocks')
    const parts = segmentsOf(place.hint as BlockRange).map(([at, first, last]) => {
      const rows = rowsOfTable(settings, from, params, cut.leaves[at])
      return `select ${listSql(settings, columns, rows)} from ${rows.from}${whereSql(blocksSql(rows, first, last), rows.where)}`
    })
    return parts.join(' union all ')
  }
  const rows = 'query' in from ? rowsOfQuery(from.query, columns.length, params) : rowsOfTable(settings, from, params)
  return keyRangeSql(listSql(settings, columnsToRead(settings, columns), rows), rows, cut.keys, cut.ties, place)
}

function listSql(settings: Settings, columns: readonly Column[], { columnSql }: Rows): string {
  return columns
    .map((column) => valueSql(columnSql(column.ref), !decoderOf(column.type) || ownParser(settings, column) !== undefined))
    .join(', ')
}

/** What a value is sent as: in its own format, or as PostgreSQL prints it. A cast to text would not do: some types are printed otherwise. */
function valueSql(column: string, asText: boolean): string {
  return asText ? `case when num_nulls(${column}) = 0 then format('%s', ${column}) end` : column
}

function keyRangeSql(list: string, rows: Rows, keys: readonly Key[], ties: readonly Key[], place: Place): string {
  const range = place.hint as KeyRange
  const conditions = keys.length === 0 ? [] : rangeSql(keys, range, rows.columnSql)
  const order = orderSql([...keys, ...ties], rows.columnSql)
  const parts = nullsApart(keys[0], range, rows.columnSql).map(
    (part) => `select ${list} from ${rows.from}${whereSql(rows.where, ...conditions, part)} ${order}`,
  )
  const [only] = parts
  if (parts.length === 1) return `${only}${skipSql(range, place.limit)}`
  const all = parts.map((part) => `(${part})`).join(' union all ')
  const skip = skipSql(range, place.limit)
  return skip === '' ? all : `select * from (${all}) as ordered${skip}`
}

function rangeSql(keys: readonly Key[], range: KeyRange, columnSql: ColumnSql): string[] {
  const { from, to } = range
  return [
    ...(from ? [atOrAfter(keys, from, columnSql)] : []),
    ...(to ? [before(keys, to, to.skip > 0, columnSql)] : []),
    ...firstKeyBetween(keys[0] as Key, range, columnSql),
  ]
}

/** Leaves out the rows that have the key of a boundary, and lie on its other side. */
function skipSql({ from, to }: KeyRange, limit: number): string {
  const skip = from?.skip ?? 0
  return skip === 0 && (to?.skip ?? 0) === 0 ? '' : ` offset ${skip}${to ? ` limit ${limit}` : ''}`
}

/** What the first key alone says, where NULLs are out of question: an index answers that. */
function firstKeyBetween(key: Key, { from, to }: KeyRange, columnSql: ColumnSql): string[] {
  const [low, high] = [from?.values[0], to?.values[0]]
  if (!key.nullable || low === undefined || low === null || high === undefined || high === null) return []
  const [least, greatest] = key.descending ? [high, low] : [low, high]
  const sql = keySql(key, columnSql)
  return [`${sql} ${operatorSql(key, '>=')} ${keyValueSql(key, least)} and ${sql} ${operatorSql(key, '<=')} ${keyValueSql(key, greatest)}`]
}

/** Rows whose first key is NULL, and the others, each apart, where a range may have both: an index answers either, and not both at once. */
function nullsApart(key: Key | undefined, { from, to }: KeyRange, columnSql: ColumnSql): (string | undefined)[] {
  if (!key?.nullable || (!from && !to)) return [undefined]
  const lastKnown = key.nullsFirst ? from?.values[0] : to?.values[0]
  // The range ends before NULLs begin, or begins behind them.
  if (lastKnown !== undefined && lastKnown !== null) return [undefined]
  const sql = keySql(key, columnSql)
  const parts = [nullSql(sql, key, false), nullSql(sql, key, true)]
  return key.nullsFirst ? parts.reverse() : parts
}

/**
 * The same as a statement whose rows come in PostgreSQL's own format. The transaction ends with them, and does not wait for user code that
 * computes the last of them.
 */
export function copySql(select: string): string {
  return `copy (${select}) to stdout (format binary);\ncommit`
}
