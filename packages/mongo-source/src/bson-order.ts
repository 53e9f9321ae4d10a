import { PymarError } from '@pymar/core'
import type { Fields, SortField } from './settings.ts'

/*
 * How MongoDB sorts: values of different types by their types, in this order; and what of that a filter can say, since `$gt` and the like
 * compare values of one bracket of types only.
 *
 * @see https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/
 */

/** Brackets of types that are compared with each other, as `$type` calls them. A field that is not there is sorted as null. */
const BRACKETS: readonly (readonly string[])[] = [
  ['minKey'],
  ['null'],
  ['int', 'long', 'double', 'decimal'],
  ['string', 'symbol'],
  ['object'],
  ['array'],
  ['binData'],
  ['objectId'],
  ['bool'],
  ['date'],
  ['timestamp'],
  ['regex'],
  ['dbPointer'],
  ['javascript'],
  ['javascriptWithScope'],
  ['maxKey'],
]
const [NULLS, NUMBERS] = [1, 2]
/** Types that not every server has heard of: it then has no such values either. */
const RARE: ReadonlySet<string> = new Set(['minKey', 'decimal', 'symbol', 'dbPointer', 'javascript', 'javascriptWithScope', 'maxKey'])

/** All types that `$type` may be asked for. */
export const ALL_TYPES = BRACKETS.flat()

/** How documents are sorted, with what the server's filters know. */
export interface Order {
  readonly sort: readonly SortField[]
  /** Whether it knows common types only. */
  readonly commonTypes?: boolean
}

/** The place of a document among those that are sorted: the values of its sort fields. */
export type Boundary = readonly unknown[]

const NAMES: Readonly<Record<string, string>> = {
  ObjectId: 'objectId',
  Long: 'long',
  Int32: 'int',
  Double: 'double',
  Decimal128: 'decimal',
  Binary: 'binData',
  Timestamp: 'timestamp',
  MinKey: 'minKey',
  MaxKey: 'maxKey',
  BSONRegExp: 'regex',
  BSONSymbol: 'symbol',
  Code: 'javascript',
  DBRef: 'object',
}

function typeOf(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'object') {
    const { _bsontype: name } = value as { readonly _bsontype?: string }
    if (name === 'Code' && (value as { readonly scope?: unknown }).scope) return 'javascriptWithScope'
    if (name !== undefined) return NAMES[name] ?? 'object'
    if (value instanceof Date) return 'date'
    if (value instanceof RegExp) return 'regex'
    if (Array.isArray(value)) return 'array'
    return ArrayBuffer.isView(value) ? 'binData' : 'object'
  }
  return { string: 'string', number: 'double', bigint: 'long', boolean: 'bool' }[typeof value as string] ?? 'object'
}

function bracketOf(value: unknown): number {
  const type = typeOf(value)
  return BRACKETS.findIndex((types) => types.includes(type))
}

function isNaNumber(value: unknown): boolean {
  return bracketOf(value) === NUMBERS && Number.isNaN(Number(String(value)))
}

function typesOf(bracket: number, { commonTypes }: Order): string[] {
  return (BRACKETS[bracket] as string[]).filter((type) => !commonTypes || !RARE.has(type))
}

/** Documents whose field is of one of these brackets. */
function ofBrackets(field: string, brackets: readonly number[], order: Order): Fields[] {
  const types = brackets.filter((bracket) => bracket !== NULLS).flatMap((bracket) => typesOf(bracket, order))
  return [...(types.length > 0 ? [{ [field]: { $type: types } }] : []), ...(brackets.includes(NULLS) ? [isNull(field, order)] : [])]
}

/**
 * Documents whose field is null, or not there. A mongod (6.0) that is asked for those with `{ field: null }`, among other things, merges what it
 * finds along an index in a wrong order.
 */
function isNull(field: string, order: Order): Fields {
  const others = BRACKETS.flatMap((_, bracket) => (bracket === NULLS ? [] : typesOf(bracket, order)))
  return { $nor: [{ [field]: { $type: others } }] }
}

/** Documents whose field is of a value's bracket, and sorted behind it; or, `orAt`, at it. */
function behindWithin([field, direction]: SortField, value: unknown, orAt: boolean, order: Order): Fields[] {
  const bracket = bracketOf(value)
  const equal = orAt ? [equalTo(field, value, order)] : []
  if (bracket === NULLS) return equal
  // What is not a number is sorted before all others, and neither greater nor less than any of them.
  if (isNaNumber(value)) return direction < 0 ? equal : [...equal, { [field]: { $gte: Number.NEGATIVE_INFINITY } }]
  if (direction > 0) return [{ [field]: { [orAt ? '$gte' : '$gt']: value } }]
  if (bracket !== NUMBERS) return [{ [field]: { [orAt ? '$lte' : '$lt']: value } }]
  return [{ [field]: { $type: typesOf(NUMBERS, order), $not: { [orAt ? '$gt' : '$gte']: value } } }]
}

function equalTo(field: string, value: unknown, order: Order): Fields {
  return value === null ? isNull(field, order) : { [field]: { $eq: value } }
}

/** Documents whose field is sorted behind a value; or, `orAt`, at it. */
function behind(sorted: SortField, value: unknown, orAt: boolean, order: Order): Fields[] {
  const bracket = bracketOf(value)
  const others = BRACKETS.map((_, i) => i).filter((i) => (sorted[1] < 0 ? i < bracket : i > bracket))
  return [...behindWithin(sorted, value, orAt, order), ...ofBrackets(sorted[0], others, order)]
}

/**
 * Documents that are sorted at a boundary, or behind it: those that one of these holds for.
 *
 * @throws {PymarError} `SOURCE_FAILED` for a boundary that no filter can compare to.
 */
function atOrBehind(order: Order, boundary: Boundary): Fields[] {
  const alternatives: Fields[] = []
  const equal: Fields[] = []
  for (const [i, sorted] of order.sort.entries()) {
    const [field, value] = [sorted[0], boundary[i] ?? null]
    checkComparable(field, value)
    const isLast = i === order.sort.length - 1
    for (const one of behind(sorted, value, isLast, order)) alternatives.push(allOf([...equal, one]))
    equal.push(equalTo(field, value, order))
  }
  return alternatives
}

/** Documents from one boundary on, up to another; without them, from the first and to the last. */
export function between(order: Order, from: Boundary | undefined, to: Boundary | undefined): Fields[] {
  const { sort } = order
  const [first] = sort as [SortField]
  const [low, high] = [from?.[0], to?.[0]]
  const bracket = bracketOf(low)
  const isOneBracket = from && to && bracket === bracketOf(high) && bracket !== NULLS && !isNaNumber(low) && !isNaNumber(high)
  const [atOrAfter, before] = first[1] < 0 ? ['$lte', '$gt'] : ['$gte', '$lt']
  if (isOneBracket && sort.length === 1) {
    for (const value of [low, high]) checkComparable(first[0], value)
    return [{ [first[0]]: { [atOrAfter as string]: low, [before as string]: high } }]
  }
  return [
    // Says again what the first field alone says, for an index to use.
    ...(isOneBracket ? [{ [first[0]]: { [atOrAfter as string]: low, [`${before}e`]: high } }] : []),
    ...(from ? [anyOf(atOrBehind(order, from))] : []),
    ...(to ? [{ $nor: atOrBehind(order, to) }] : []),
  ]
}

function checkComparable(field: string, value: unknown): void {
  if (typeOf(value) !== 'regex') return
  const what = 'it holds a regular expression, which no filter compares to; sort by another field'
  throw new PymarError('SOURCE_FAILED', `Cannot cut up documents at field "${field}": ${what}`)
}

function anyOf(filters: readonly Fields[]): Fields {
  return filters.length > 1 ? { $or: filters } : (filters[0] as Fields)
}

/** Documents that all of these hold for. */
export function allOf(filters: readonly Fields[]): Fields {
  const some = filters.filter((filter) => Object.keys(filter).length > 0)
  return some.length > 1 ? { $and: some } : (some[0] ?? {})
}
