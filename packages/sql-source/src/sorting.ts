import { type Client, rowsOf } from './client.ts'
import { unreadable } from './errors.ts'
import type { Key } from './keys.ts'
import type { FoundLeaf } from './plan-blocks.ts'
import type { Sorting } from './plan-keys.ts'
import { quoteNames, type TypeName } from './quote.ts'
import { type Column, type Comparable, OPERATORS_SQL, type Table } from './relation.ts'
import type { Scene } from './scene.ts'
import type { OrderColumn, Settings } from './settings.ts'

/** How the rows of a source are sorted: by ORDER_BY, then by what tells rows apart that it does not, or, where nothing does, by all they hold. */
export async function sortingOf(scene: Scene, leaves: readonly FoundLeaf[]): Promise<Sorting> {
  const { settings, client, table, columns } = scene
  if (!table) {
    const keys = settings.orderBy.map((order) => {
      const column = columns.find(({ name }) => name === order.column) as Column
      return keyOf({ ...order, column: column.ref }, column, true)
    })
    return { keys, ties: tiesOf(scene) }
  }
  const attributes = await attributesOfTable(client, table)
  // What inherits from a table, or lies elsewhere, need not keep what the table says.
  const keepsNotNull = leaves.every(({ hasBlocks }) => hasBlocks) && (table.kind === 'p' || leaves.length === 1)
  const ordered = settings.orderBy.map((order) => orderedBy(order, settings, table, attributes, keepsNotNull))
  const breakers = breakersOf(table, attributes, leaves)
  const others = breakers.filter(({ column }) => !ordered.some((key) => key.column === column))
  return { keys: [...ordered, ...others], ties: breakers.length > 0 ? [] : tiesOf(scene) }
}

function orderedBy(order: OrderColumn, { name }: Settings, table: Table, attributes: readonly Attribute[], keepsNotNull: boolean): Key {
  const found = attributes.find((attribute) => attribute.name === order.column)
  if (found) return keyOf(order, found, !(found.notNull && keepsNotNull))
  const columns = attributes.filter(({ number }) => number > 0).map((attribute) => attribute.name)
  const asked = `ORDER_BY names a column "${order.column}", and ${quoteNames(table.schema, table.table)} has ${columns.join(', ')}`
  throw unreadable(name, `${asked}${adviceOnOrder(order)}`)
}

function adviceOnOrder({ column }: OrderColumn): string {
  const [, name, direction] = /^(.*?)\s+(asc|desc)$/i.exec(column) ?? []
  return name ? `; write { column: '${name}', direction: '${direction?.toLowerCase()}' }` : ''
}

function keyOf(
  { column, descending, nullsFirst }: OrderColumn,
  { typeName, isRow, operators, collation }: Comparable,
  nullable: boolean,
): Key {
  return {
    column,
    typeName,
    isRow,
    ...(operators !== undefined && { operators }),
    ...(collation && { collation }),
    descending,
    nullsFirst,
    nullable,
  }
}

interface Attribute extends Comparable {
  readonly name: string
  /** Below 0 for a system column. */
  readonly number: number
  readonly notNull: boolean
  /** Its place in the primary key, from 1; 0 for none. */
  readonly keyPlace: number
}

async function attributesOfTable(client: Client, { oid }: Table): Promise<Attribute[]> {
  type Row = [string, string, string, boolean, string | null, TypeName | null, number, boolean, number]
  const rows = await rowsOf<Row>(
    client,
    `select a.attname, n.nspname, t.typname, t.typtype = 'c', ${OPERATORS_SQL},
      (select array[s.nspname::text, l.collname::text] from pg_collation l join pg_namespace s on s.oid = l.collnamespace
        where l.oid = a.attcollation and l.collname <> 'default'),
      a.attnum, a.attnotnull, coalesce((select k.place::int from pg_index i, unnest(i.indkey) with ordinality k(number, place)
        where i.indrelid = a.attrelid and i.indisprimary and i.indisvalid and k.number = a.attnum and k.place <= i.indnkeyatts), 0)
    from pg_attribute a join pg_type d on d.oid = a.atttypid
    join pg_type t on t.oid = case when d.typtype = 'd' then d.typbasetype else d.oid end join pg_namespace n on n.oid = t.typnamespace
    where a.attrelid = ${oid} and not a.attisdropped order by a.attnum`,
  )
  return rows.map(([name, schema, type, isRow, operators, collation, number, notNull, keyPlace]) => {
    const comparable = {
      typeName: [schema, type] as const,
      isRow,
      ...(operators !== null && { operators }),
      ...(collation && { collation }),
    }
    return { name, ...comparable, number, notNull, keyPlace }
  })
}

/** What tells all rows of a table apart, or nothing. A primary key is that of one table, without those that inherit from it. */
function breakersOf(table: Table, attributes: readonly Attribute[], leaves: readonly FoundLeaf[]): Key[] {
  const ascending = (attribute: Attribute) => keyOf({ column: attribute.name, descending: false, nullsFirst: false }, attribute, false)
  const primary = attributes.filter(({ keyPlace }) => keyPlace > 0).sort((a, b) => a.keyPlace - b.keyPlace)
  if (primary.length > 0 && (table.kind === 'p' || leaves.length === 1)) return primary.map(ascending)
  if (leaves.length === 0 || leaves.some(({ hasBlocks }) => !hasBlocks)) return []
  const names = leaves.length > 1 ? ['tableoid', 'ctid'] : ['ctid']
  return names.map((name) => ascending(attributes.find((attribute) => attribute.name === name) as Attribute))
}

/** All columns, as text: rows that they do not tell apart are the same. */
function tiesOf({ columns }: Scene): Key[] {
  const typeName = ['pg_catalog', 'text'] as const
  return columns.map(({ ref }) => ({
    column: ref,
    typeName,
    isRow: false,
    descending: false,
    nullsFirst: false,
    nullable: true,
    asText: true,
  }))
}
