import { quoteLiteral, quoteName, quoteNames } from './quote.ts'
import type { Comparable } from './relation.ts'

/** A column, or an expression, that sorts rows. */
export interface Key extends Comparable {
  /** The column's `ref`. */
  readonly column: string
  readonly descending: boolean
  readonly nullsFirst: boolean
  readonly nullable: boolean
  /** Whether its text is what sorts, since its type cannot be. */
  readonly asText?: boolean
}

/** A place among sorted rows: before the first row that has these values, or after so many of those that have them. */
export interface Boundary {
  /** Texts, by key. */
  readonly values: readonly (string | null)[]
  readonly skip: number
}

/** Rows from one place up to another; without them, from the first and to the last. */
export interface KeyRange {
  readonly from?: Boundary
  readonly to?: Boundary
}

export type ColumnSql = (column: string) => string

export function keySql({ column, asText }: Key, columnSql: ColumnSql): string {
  // The same for all collations, some of which take different texts for the same.
  return asText ? `(${columnSql(column)}::text collate "C")` : columnSql(column)
}

/** `order by` for these keys. */
export function orderSql(keys: readonly Key[], columnSql: ColumnSql): string {
  const terms = keys.map((key) => {
    const nulls = key.nullable && key.nullsFirst !== key.descending ? ` nulls ${key.nullsFirst ? 'first' : 'last'}` : ''
    return `${keySql(key, columnSql)}${key.descending ? ' desc' : ''}${nulls}`
  })
  return `order by ${terms.join(', ')}`
}

/** One key with the value that it is compared to. */
interface Compared {
  readonly sql: string
  readonly key: Key
  /** A literal, or undefined for NULL. */
  readonly value: string | undefined
}

/** A value to compare a key to: in the key's collation, whatever that of its type is. */
export function valueSql({ typeName, collation }: Key, text: string): string {
  return `${quoteLiteral({ text, type: typeName })}${collation ? ` collate ${quoteNames(...collation)}` : ''}`
}

/** An operator of a key's type, wherever that is from. */
export function operatorSql({ operators }: Key, operator: string): string {
  return operators === undefined ? operator : `operator(${quoteName(operators)}.${operator})`
}

/** Whether a key is NULL: a row may have a NULL in it, and be none. */
export function nullSql(sql: string, { isRow }: Key, isNull: boolean): string {
  if (isRow) return `num_nulls(${sql}) = ${isNull ? 1 : 0}`
  return `${sql} is ${isNull ? '' : 'not '}null`
}

function compared(keys: readonly Key[], { values }: Boundary, columnSql: ColumnSql): Compared[] {
  return keys.map((key, i) => {
    const text = values[i] ?? null
    return {
      sql: keySql(key, columnSql),
      key,
      value: text === null ? undefined : valueSql(key, text),
    }
  })
}

/** Rows that are sorted at or after a boundary's values. */
export function atOrAfter(keys: readonly Key[], boundary: Boundary, columnSql: ColumnSql): string {
  return lexicographic(compared(keys, boundary, columnSql), 'after', true)
}

/** Rows that are sorted before a boundary's values, or at them too. */
export function before(keys: readonly Key[], boundary: Boundary, orAt: boolean, columnSql: ColumnSql): string {
  return lexicographic(compared(keys, boundary, columnSql), 'before', orAt)
}

function lexicographic(all: readonly Compared[], side: 'after' | 'before', orAt: boolean): string {
  const [first] = all as [Compared]
  // One comparison of rows, where an index can answer it.
  const isOneWay = all.every(({ key, value }) => !key.nullable && value !== undefined && key.descending === first.key.descending)
  if (isOneWay && all.every(({ key }) => all.length === 1 || key.operators === undefined)) {
    const operator = `${(side === 'after') === first.key.descending ? '<' : '>'}${orAt ? '=' : ''}`
    const row = (terms: readonly (string | undefined)[]) => (terms.length === 1 ? terms[0] : `(${terms.join(', ')})`)
    return `${row(all.map(({ sql }) => sql))} ${operatorSql(first.key, operator)} ${row(all.map(({ value }) => value))}`
  }
  let condition = orAt ? 'true' : 'false'
  for (const one of [...all].reverse()) condition = `(${strictly(one, side)} or (${equal(one)} and ${condition}))`
  // Says again what the first key alone says, for an index to use.
  return all.length === 1 ? condition : `(${strictly(first, side)} or ${equal(first)}) and ${condition}`
}

function equal({ sql, value, key }: Compared): string {
  return value === undefined ? nullSql(sql, key, true) : `${sql} ${operatorSql(key, '=')} ${value}`
}

function strictly({ sql, value, key }: Compared, side: 'after' | 'before'): string {
  // Whether NULLs are on this side of everything else.
  const nullsThere = (side === 'after') !== key.nullsFirst
  if (value === undefined) return nullsThere ? 'false' : nullSql(sql, key, false)
  const beyond = `${sql} ${operatorSql(key, (side === 'after') === key.descending ? '<' : '>')} ${value}`
  return key.nullable && nullsThere ? `(${beyond} or ${nullSql(sql, key, true)})` : beyond
}
