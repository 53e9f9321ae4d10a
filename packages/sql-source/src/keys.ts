import { quoteLiteral, type TypeName } from './quote.ts'

/** A column, or an expression, that sorts rows. */
export interface Key {
  /** As {@link Rows.columnSql} takes it. */
  readonly column: string
  readonly typeName: TypeName
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
  return asText ? `${columnSql(column)}::text` : columnSql(column)
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

function compared(keys: readonly Key[], { values }: Boundary, columnSql: ColumnSql): Compared[] {
  return keys.map((key, i) => {
    const text = values[i] ?? null
    return {
      sql: keySql(key, columnSql),
      key,
      value: text === null ? undefined : quoteLiteral({ text, type: key.typeName }),
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
  if (all.every(({ key, value }) => !key.nullable && value !== undefined && key.descending === first.key.descending)) {
    const operator = `${(side === 'after') === first.key.descending ? '<' : '>'}${orAt ? '=' : ''}`
    const row = (terms: readonly (string | undefined)[]) => (terms.length === 1 ? terms[0] : `(${terms.join(', ')})`)
    return `${row(all.map(({ sql }) => sql))} ${operator} ${row(all.map(({ value }) => value))}`
  }
  let condition = orAt ? 'true' : 'false'
  for (const one of [...all].reverse()) condition = `(${strictly(one, side)} or (${equal(one)} and ${condition}))`
  // Says again what the first key alone says, for an index to use.
  return all.length === 1 ? condition : `(${strictly(first, side)} or ${equal(first)}) and ${condition}`
}

function equal({ sql, value }: Compared): string {
  return value === undefined ? `${sql} is null` : `${sql} = ${value}`
}

function strictly({ sql, value, key }: Compared, side: 'after' | 'before'): string {
  // Whether NULLs are on this side of everything else.
  const nullsThere = (side === 'after') !== key.nullsFirst
  if (value === undefined) return nullsThere ? 'false' : `${sql} is not null`
  const operator = (side === 'after') === key.descending ? '<' : '>'
  return key.nullable && nullsThere ? `(${sql} ${operator} ${value} or ${sql} is null)` : `${sql} ${operator} ${value}`
}
