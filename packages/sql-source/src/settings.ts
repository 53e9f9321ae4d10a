import { PymarError } from '@pymar/core'

/** A column that rows are sorted by; a name alone is ascending. */
export type Order =
  | string
  | {
      readonly column: string
      /** Default `'asc'`. */
      readonly direction?: 'asc' | 'desc'
      /** Where NULLs are. Default, as in PostgreSQL: `'last'` where it ascends, `'first'` where it descends. */
      readonly nulls?: 'first' | 'last'
    }

/** What a value of a type is made of: its text, as PostgreSQL prints it. */
export type Parser = (text: string) => unknown

/** The static members of a source class. */
export interface SqlClass {
  readonly name: string
  readonly CONF?: unknown
  readonly TABLE?: unknown
  readonly COLUMNS?: unknown
  readonly WHERE?: unknown
  readonly PARAMS?: unknown
  readonly ORDER_BY?: unknown
  readonly QUERY?: unknown
  readonly ROWS?: unknown
  readonly TYPES?: unknown
}

export interface TableName {
  readonly schema?: string
  readonly table: string
}

export interface OrderColumn {
  readonly column: string
  readonly descending: boolean
  readonly nullsFirst: boolean
}

/** The class attributes of a source, checked. */
export interface Settings {
  /** The class's. */
  readonly name: string
  /** Options of a client of pg. */
  readonly conf: Readonly<Record<string, unknown>>
  readonly from: TableName | { readonly query: string }
  /** Undefined: all there are. */
  readonly columns: readonly string[] | undefined
  readonly where: string | undefined
  readonly params: readonly unknown[]
  readonly orderBy: readonly OrderColumn[]
  readonly asObjects: boolean
  /** By type name. */
  readonly types: ReadonlyMap<string, Parser>
}

interface Rule {
  readonly holds: (value: unknown) => boolean
  readonly rule: string
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const isOrder = (value: unknown) =>
  isText(value) ||
  (isObject(value) &&
    isText(value['column']) &&
    [undefined, 'asc', 'desc'].includes(value['direction'] as undefined) &&
    [undefined, 'first', 'last'].includes(value['nulls'] as undefined))

/** What pg takes for a URL: a text of another kind, such as libpq's `host=...`, it would take for the name of a database. */
const IS_URL = /^(postgres(ql)?|socket):\/\/|^\//

const SQL: Rule = { holds: isText, rule: 'a text of SQL' }
const RULES: Readonly<Record<Exclude<keyof SqlClass, 'name'>, Rule>> = {
  CONF: {
    holds: (value) => (isText(value) && IS_URL.test(value)) || isObject(value),
    rule: 'a postgres:// URL or the options of a client of pg',
  },
  TABLE: {
    holds: (value) => isText(value) || (Array.isArray(value) && value.length === 2 && value.every(isText)),
    rule: '"table", "schema.table" or ["schema", "table"]',
  },
  COLUMNS: { holds: (value) => Array.isArray(value) && value.length > 0 && value.every(isText), rule: 'a list of one column or more' },
  WHERE: SQL,
  PARAMS: { holds: Array.isArray, rule: 'a list of values' },
  ORDER_BY: {
    holds: (value) => (Array.isArray(value) ? value.length > 0 && value.every(isOrder) : isOrder(value)),
    rule: "a column, { column, direction: 'asc' or 'desc', nulls: 'first' or 'last' }, or a list of these",
  },
  QUERY: SQL,
  ROWS: { holds: (value) => value === 'tuple' || value === 'object', rule: "'tuple' or 'object'" },
  TYPES: {
    holds: (value) => isObject(value) && Object.values(value).every((parser) => typeof parser === 'function'),
    rule: 'an object of functions by type name',
  },
}

/**
 * Reads the class attributes of a source.
 *
 * @throws {PymarError} `INVALID_ARGUMENT` if one of them is missing, or breaks its rule.
 */
export function readSettings(source: SqlClass): Settings {
  const { name } = source
  for (const [attribute, { holds, rule }] of Object.entries(RULES)) {
    const value = source[attribute as keyof SqlClass]
    if (value === undefined || holds(value)) continue
    // A CONF may hold a password.
    const found =
      attribute === 'CONF' ? typeof value : JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? `${inner}n` : inner))
    throw invalid(`Cannot read ${attribute} of ${name} as it must be ${rule}: current value is ${found}`)
  }
  const { CONF = {}, TABLE, COLUMNS, WHERE, PARAMS, ORDER_BY, QUERY, ROWS, TYPES = {} } = source
  if ((TABLE === undefined) === (QUERY === undefined)) {
    throw invalid(`Cannot read ${name}: it has ${TABLE ? 'both TABLE and' : 'neither TABLE nor'} QUERY; give it one of them`)
  }
  if (QUERY !== undefined && WHERE !== undefined)
    throw invalid(`Cannot read ${name}: it has QUERY and WHERE; put the condition into the query`)
  const columns = COLUMNS as readonly string[] | undefined
  return {
    name,
    conf: typeof CONF === 'string' ? { connectionString: CONF } : (CONF as Record<string, unknown>),
    from:
      QUERY === undefined ? tableName(TABLE as string | readonly [string, string]) : { query: (QUERY as string).replace(/[\s;]+$/, '') },
    columns: columns?.length === 1 && columns[0] === '*' ? undefined : columns,
    where: WHERE as string | undefined,
    params: (PARAMS as readonly unknown[] | undefined) ?? [],
    orderBy: orderColumns(ORDER_BY as Order | readonly Order[] | undefined),
    asObjects: ROWS === 'object',
    types: new Map(Object.entries(TYPES as Record<string, Parser>)),
  }
}

function tableName(table: string | readonly [string, string]): TableName {
  if (typeof table !== 'string') return { schema: table[0], table: table[1] }
  const dot = table.indexOf('.')
  return dot < 0 ? { table } : { schema: table.slice(0, dot), table: table.slice(dot + 1) }
}

function orderColumns(orders: Order | readonly Order[] = []): OrderColumn[] {
  const list = (Array.isArray(orders) ? orders : [orders]) as readonly Order[]
  return list.map((order) => {
    const { column, direction = 'asc', nulls } = typeof order === 'string' ? { column: order } : order
    const descending = direction === 'desc'
    return { column, descending, nullsFirst: nulls === undefined ? descending : nulls === 'first' }
  })
}

function invalid(message: string): PymarError {
  return new PymarError('INVALID_ARGUMENT', message)
}
