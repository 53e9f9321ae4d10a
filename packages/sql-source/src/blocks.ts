import { quoteLiteral, quoteNames, quoteText } from './quote.ts'
import type { Rows } from './relation.ts'
import type { Leaf } from './shared.ts'

/** From which block of which leaf on, up to which block of which leaf; without an end, to the last there is. */
export type BlockRange = readonly [firstLeaf: number, from: number, lastLeaf: number, to?: number]

/** Blocks of one leaf. */
type Segment = readonly [leaf: number, from: number, to?: number]

/** The leaves of a range, each with its blocks. */
export function segmentsOf([firstLeaf, from, lastLeaf, to]: BlockRange): Segment[] {
  return Array.from({ length: lastLeaf - firstLeaf + 1 }, (_, i) => {
    const leaf = firstLeaf + i
    const first = i === 0 ? from : 0
    return leaf === lastLeaf && to !== undefined ? [leaf, first, to] : [leaf, first]
  })
}

/** The condition of a range of blocks; none for all there are. */
export function blocksSql({ columnSql }: Rows, from: number, to: number | undefined): string | undefined {
  const at = (block: number) => quoteLiteral({ text: `(${block},0)`, type: ['pg_catalog', 'tid'] })
  const ctid = columnSql('ctid')
  const conditions = [...(from > 0 ? [`${ctid} >= ${at(from)}`] : []), ...(to === undefined ? [] : [`${ctid} < ${at(to)}`])]
  return conditions.length > 0 ? conditions.join(' and ') : undefined
}

/** An expression: the files that leaves are in now; NULL for those that have none, or are gone. */
export function filesSql(leaves: readonly Leaf[]): string {
  const files = leaves.map(({ schema, table }) => `pg_relation_filenode(to_regclass(${quoteText(quoteNames(schema, table))}))`)
  return `array[${files.join(', ')}]::oid[]`
}
