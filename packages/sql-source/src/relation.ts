import { type Client, rowsOf } from './client.ts'
import { sourceFailed } from './errors.ts'
import { parameterText } from './parameters.ts'
import { fillTemplate, readTemplate } from './placeholders.ts'
import { type Literal, quoteLiteral, quoteName, quoteNames, quoteText, type TypeName } from './quote.ts'
import type { Settings, TableName } from './settings.ts'

/** A column of what is read. */
export interface Column {
  readonly name: string
  /** Oid of its type; of a domain, of the type below it. */
  readonly type: number
  readonly typeName: TypeName
  /** The type as SQL calls it, such as `bigint`. */
  readonly typeAlias: string
}

/** A type's names, by its oid. */
interface TypeNames {
  readonly name: TypeName
  readonly alias: string
}

/** What rows come from: a FROM item with a condition, as every statement of a source has it. */
export interface Rows {
  /** With the name that conditions call it by. */
  readonly from: string
  readonly where: string | undefined
  /** How statements call a column of it. */
  columnSql(name: string): string
}

/** How statements call the columns of a query, whose own names may be missing or there twice. */
const QUERY_NAME = 'pymar'

/** The FROM item of a table, by the name that conditions know. @param only Without what inherits from it. */
export function rowsOfTable(settings: Settings, table: TableName, params: readonly Literal[], only?: TableName): Rows {
  const source = only ? `only ${quoteNames(only.schema, only.table)}` : quoteNames(table.schema, table.table)
  return {
    from: `${source} as ${quoteName(table.table)}`,
    where: settings.where === undefined ? undefined : `(${withParams(settings.where, params)}\n)`,
    columnSql: quoteName,
  }
}

/** The FROM item of a query. @param columns The query's, all of them. */
export function rowsOfQuery(query: string, columns: readonly string[], params: readonly Literal[]): Rows {
  const names = columns.map((_, i) => quoteName(`c${i}`))
  return {
    from: `(${withParams(query, params)}\n) as ${QUERY_NAME}${names.length > 0 ? `(${names.join(', ')})` : ''}`,
    where: undefined,
    columnSql: (name) => names[columns.indexOf(name)] ?? quoteName(name),
  }
}

/** SQL of `where` and what else is asked for, or nothing. */
export function whereSql(...conditions: readonly (string | undefined)[]): string {
  const all = conditions.filter((condition) => condition !== undefined)
  return all.length > 0 ? ` where ${all.join(' and ')}` : ''
}

function withParams(sql: string, params: readonly Literal[]): string {
  return fillTemplate(readTemplate(sql), (number) => `(${quoteLiteral(params[number - 1] as Literal)})`)
}

/** The values of PARAMS with the types that the server finds for them. */
export async function describeParams(client: Client, settings: Settings): Promise<Literal[]> {
  const { name, params, from, where } = settings
  const places = readTemplate('query' in from ? from.query : (where ?? '')).places
  const highest = Math.max(0, ...places)
  if (highest !== params.length) {
    const found = `it has ${params.length} in PARAMS, and uses ${highest === 0 ? 'none' : `$1 to $${highest}`}`
    throw sourceFailed('use the parameters of', name, new Error(found))
  }
  if (params.length === 0) return []
  const statement =
    'query' in from ? from.query : `select from ${quoteNames(from.schema, from.table)} as ${quoteName(from.table)} where ${where}`
  await client.query(`prepare pymar_params as ${statement}\n`)
  const types = await rowsOf<[oid: number, schema: string, type: string]>(
    client,
    `select t.oid, n.nspname, t.typname from pg_prepared_statements s, unnest(s.parameter_types) with ordinality p(type, at)
    join pg_type t on t.oid = p.type join pg_namespace n on n.oid = t.typnamespace where s.name = 'pymar_params' order by p.at`,
  )
  await client.query('deallocate pymar_params')
  return types.map(([, schema, type], i) => ({ text: parameterText(params[i], `PARAMS[${i}] of ${name}`), type: [schema, type] }))
}

/** The columns that a statement gives, with their types. */
export async function describeColumns(client: Client, sql: string): Promise<Column[]> {
  const { fields } = await client.query({ text: `${sql} limit 0`, rowMode: 'array' })
  const types = await namesOfTypes(
    client,
    fields.map(({ dataTypeID }) => dataTypeID),
  )
  return fields.map(({ name, dataTypeID }) => {
    const { name: typeName, alias } = types.get(dataTypeID) as TypeNames
    return { name, type: dataTypeID, typeName, typeAlias: alias }
  })
}

async function namesOfTypes(client: Client, oids: readonly number[]): Promise<Map<number, TypeNames>> {
  if (oids.length === 0) return new Map()
  const rows = await rowsOf<[oid: number, schema: string, name: string, alias: string]>(
    client,
    `select t.oid, n.nspname, t.typname, format_type(t.oid, null) from pg_type t join pg_namespace n on n.oid = t.typnamespace
    where t.oid in (${[...new Set(oids)].join(', ')})`,
  )
  return new Map(rows.map(([oid, schema, name, alias]) => [oid, { name: [schema, name], alias }]))
}

/** What the server knows of a table. */
export interface Table extends TableName {
  readonly schema: string
  readonly oid: number
  /** As in `pg_class.relkind`. */
  readonly kind: string
  readonly isTemporary: boolean
  /** Whether policies say which rows of it this user sees. */
  readonly hasPolicies: boolean
}

/** Looks a table up. */
export async function describeTable(client: Client, { schema, table }: TableName): Promise<Table> {
  const [row] = await rowsOf<[oid: number, schema: string, name: string, kind: string, temporary: boolean, policies: boolean]>(
    client,
    `select c.oid, n.nspname, c.relname, c.relkind, c.relpersistence = 't', c.relrowsecurity
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = ${quoteText(quoteNames(schema, table))}::regclass`,
  )
  const [oid, itsSchema, name, kind, isTemporary, hasPolicies] = row as NonNullable<typeof row>
  return { oid, schema: itsSchema, table: name, kind, isTemporary, hasPolicies }
}
