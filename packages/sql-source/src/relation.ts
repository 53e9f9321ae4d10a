import { PymarError } from '@pymar/core'
import { type Client, rowsOf } from './client.ts'
import { parameterText } from './parameters.ts'
import { fillTemplate, readTemplate } from './placeholders.ts'
import { type Literal, quoteLiteral, quoteName, quoteNames, quoteText, type TypeName } from './quote.ts'
import type { Settings, TableName } from './settings.ts'

/** What must be known of a type, to compare its values to a text. */
export interface Comparable {
  readonly typeName: TypeName
  /** Whether its values are rows, which are NULL in part. */
  readonly isRow: boolean
  /** The schema of its operators, where that is not one that is searched always. */
  readonly operators?: string
  /** The column's own collation, where it is not that of the database. */
  readonly collation?: TypeName
}

/** A column of what is read. */
export interface Column extends Comparable {
  /** Its own name, which a query may give twice. */
  readonly name: string
  /** What statements call it by. */
  readonly ref: string
  /** Oid of its type; of a domain, of the type below it. */
  readonly type: number
  /** The type as SQL calls it, such as `bigint`. */
  readonly typeAlias: string
}

/** A type's names, by its oid. */
interface TypeNames extends Comparable {
  readonly alias: string
}

/** Of a type `t` with its schema `n`: the schema of the operators that sort it, where that is not PostgreSQL's own. */
export const OPERATORS_SQL = `(select s.nspname from pg_opclass c join pg_amop a on a.amopfamily = c.opcfamily and a.amoplefttype = t.oid
  and a.amoprighttype = t.oid join pg_operator o on o.oid = a.amopopr join pg_namespace s on s.oid = o.oprnamespace
  where c.opcmethod = 403 and c.opcdefault and c.opcintype = t.oid and n.nspname <> 'pg_catalog' limit 1)`

/** What rows come from: a FROM item with a condition, as every statement of a source has it. */
export interface Rows {
  /** With the name that conditions call it by. */
  readonly from: string
  readonly where: string | undefined
  /** How statements call a column of it, by its `ref`: in full, since ORDER BY would prefer what SELECT gives. */
  columnSql(ref: string): string
}

/** What statements call a query. */
const QUERY_NAME = 'pymar'

/** The FROM item of a table, by the name that conditions know. @param only Without what inherits from it. */
export function rowsOfTable(settings: Settings, table: TableName, params: readonly Literal[], only?: TableName): Rows {
  const source = only ? `only ${quoteNames(only.schema, only.table)}` : quoteNames(table.schema, table.table)
  return {
    from: `${source} as ${quoteName(table.table)}`,
    where: settings.where === undefined ? undefined : `(${withParams(settings.where, params)}\n)`,
    columnSql: (ref) => quoteNames(table.table, ref),
  }
}

/** The FROM item of a query. @param columns How many it has, once that is known: their own names may be missing, or there twice. */
export function rowsOfQuery(query: string, columns: number, params: readonly Literal[]): Rows {
  const names = Array.from({ length: columns }, (_, i) => quoteName(queryRef(i)))
  return {
    from: `(${withParams(query, params)}\n) as ${QUERY_NAME}${columns > 0 ? `(${names.join(', ')})` : ''}`,
    where: undefined,
    columnSql: (ref) => quoteNames(QUERY_NAME, ref),
  }
}

/** What statements call a query's column. */
export function queryRef(at: number): string {
  return `c${at}`
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
  const sql = 'query' in from ? from.query : (where ?? '')
  checkPlaces(name, readTemplate(sql).places, params.length)
  if (params.length === 0) return []
  const statement = 'query' in from ? sql : `select from ${quoteNames(from.schema, from.table)} as ${quoteName(from.table)} where ${sql}`
  await client.query(`prepare pymar_params as ${statement}\n`)
  const types = await rowsOf<[oid: number, schema: string, type: string]>(
    client,
    `select t.oid, n.nspname, t.typname from pg_prepared_statements s, unnest(s.parameter_types) with ordinality p(type, at)
    join pg_type t on t.oid = p.type join pg_namespace n on n.oid = t.typnamespace where s.name = 'pymar_params' order by p.at`,
  )
  await client.query('deallocate pymar_params')
  return types.map(([, schema, type], i) => ({ text: parameterText(params[i], `PARAMS[${i}] of ${name}`), type: [schema, type] }))
}

/** Each parameter has a value, and each value a parameter. */
function checkPlaces(name: string, places: readonly number[], values: number) {
  const refuse = (found: string) => new PymarError('INVALID_ARGUMENT', `Cannot use the parameters of ${name}: ${found}`)
  for (const place of places) {
    if (place < 1 || place > values) throw refuse(`its SQL has $${place}, and PARAMS has ${values} ${values === 1 ? 'value' : 'values'}`)
  }
  for (let place = 1; place <= values; place++) {
    if (!places.includes(place)) throw refuse(`PARAMS has ${values} ${values === 1 ? 'value' : 'values'}, and its SQL has no $${place}`)
  }
}

/** The columns that a statement gives, with their types. @param refOf What statements call the column of this name, or at this place. */
export async function describeColumns(client: Client, sql: string, refOf: (name: string, at: number) => string): Promise<Column[]> {
  const { fields } = await client.query({ text: `${sql} limit 0`, rowMode: 'array' })
  const types = await namesOfTypes(
    client,
    fields.map(({ dataTypeID }) => dataTypeID),
  )
  return fields.map(({ name, dataTypeID }, at) => {
    const { alias, ...comparable } = types.get(dataTypeID) as TypeNames
    return { name, ref: refOf(name, at), type: dataTypeID, typeAlias: alias, ...comparable }
  })
}

async function namesOfTypes(client: Client, oids: readonly number[]): Promise<Map<number, TypeNames>> {
  if (oids.length === 0) return new Map()
  const rows = await rowsOf<[oid: number, schema: string, name: string, alias: string, isRow: boolean, operators: string | null]>(
    client,
    `select t.oid, n.nspname, t.typname, format_type(t.oid, null), t.typtype = 'c', ${OPERATORS_SQL} from pg_type t join pg_namespace n on n.oid = t.typnamespace
    where t.oid in (${[...new Set(oids)].join(', ')})`,
  )
  return new Map(
    rows.map(([oid, schema, name, alias, isRow, operators]) => [
      oid,
      { typeName: [schema, name], alias, isRow, ...(operators !== null && { operators }) },
    ]),
  )
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
