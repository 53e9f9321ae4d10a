import type { Partition } from '@pymar/core'
import { type Client, rowsOf } from './client.ts'
import { quoteLiteral, quoteNames, quoteText } from './quote.ts'
import { type Rows, type Table, whereSql } from './relation.ts'
import type { Leaf, Segments } from './shared.ts'

/** A leaf as it was found. */
export interface FoundLeaf extends Leaf {
  readonly blocks: number
  /** As in `pg_class.relkind`. */
  readonly kind: string
  /** Whether it can be read by block: a table, or the like, in PostgreSQL's own format, that this user may select from. */
  readonly hasBlocks: boolean
  readonly mayRead: boolean
}

/** Blocks that are looked into to see whether rows are spread evenly, of each range and of all. */
const LOOKS = { each: 4, all: 128 }
/** From here on, the rows of the fullest range over those of the mean one, there are more ranges. */
const UNEVEN = 1.5
/** So many times more, at most. */
const MOST = 8

/** The tables that rows of a table are in: itself, its partitions, and what inherits from it. */
export async function leavesOf(client: Client, { oid }: Table): Promise<FoundLeaf[]> {
  const rows = await rowsOf<
    [schema: string, table: string, kind: string, isHeap: boolean, mayRead: boolean, file: number | null, blocks: string]
  >(
    client,
    `with recursive tree(oid) as (select ${oid}::oid union select i.inhrelid from tree join pg_inherits i on i.inhparent = tree.oid)
    select n.nspname, c.relname, c.relkind, coalesce(a.amname = 'heap', false), has_table_privilege(c.oid, 'select'),
      pg_relation_filenode(c.oid), pg_relation_size(c.oid) / current_setting('block_size')::int
    from tree join pg_class c on c.oid = tree.oid join pg_namespace n on n.oid = c.relnamespace left join pg_am a on a.oid = c.relam
    where c.relkind <> 'p' order by c.oid`,
  )
  return rows.map(([schema, table, kind, isHeap, mayRead, file, blocks]) => {
    const hasBlocks = isHeap && file !== null
    return { schema, table, kind, file, mayRead, hasBlocks, blocks: hasBlocks ? Number(blocks) : 1 }
  })
}

/** Partitions by ranges of blocks: planned without reading the table. @param rowsOfLeaf What statements read a leaf by. */
export async function planByBlocks(
  client: Client,
  leaves: readonly FoundLeaf[],
  count: number,
  rowsOfLeaf: (leaf: Leaf) => Rows,
): Promise<Partition[]> {
  const total = leaves.reduce((sum, { blocks }) => sum + blocks, 0)
  const wanted = Math.min(count, total)
  const times = await unevenness(client, leaves, total, wanted, rowsOfLeaf)
  return ranges(leaves, total, Math.min(total, wanted * times))
}

/** Ranges of as many blocks each, give or take one, over all leaves; the last of a leaf goes on to its end. */
function ranges(leaves: readonly FoundLeaf[], total: number, count: number): Partition[] {
  const partitions: { index: number; offset: number; limit: number; hint: [number, number, number?][] }[] = []
  const borderOf = (index: number) => Math.floor((total / count) * index)
  let [before, index] = [0, 0]
  for (const [leaf, { blocks }] of leaves.entries()) {
    for (let from = 0; from < blocks; ) {
      const border = index + 1 === count ? total : borderOf(index + 1)
      const to = Math.min(blocks, border - before)
      partitions[index] ??= { index, offset: before + from, limit: 0, hint: [] }
      const partition = partitions[index] as (typeof partitions)[number]
      partition.hint.push(to === blocks ? [leaf, from] : [leaf, from, to])
      partition.limit += to - from
      from = to
      if (before + to === border) index++
    }
    before += blocks
  }
  return partitions.map((partition) => ({ ...partition, hint: partition.hint satisfies Segments }))
}

/** How many times more ranges there should be, so that none has much more rows than the others. */
async function unevenness(
  client: Client,
  leaves: readonly FoundLeaf[],
  total: number,
  count: number,
  rowsOfLeaf: (leaf: Leaf) => Rows,
): Promise<number> {
  const looks = Math.max(1, Math.min(LOOKS.each, Math.floor(LOOKS.all / count)))
  if (count < 2 || total < 2 * count * looks || count > LOOKS.all) return 1
  const step = total / (count * looks)
  const places = Array.from({ length: count * looks }, (_, i) => Math.floor(step * (i + 0.5)))
  const found = new Array<number>(count).fill(0)
  let before = 0
  for (const leaf of leaves) {
    const blocks = places.map((place) => place - before).filter((block) => block >= 0 && block < leaf.blocks)
    if (blocks.length > 0 && leaf.hasBlocks) {
      for (const [block, rows] of await rowsOf<[number, string]>(client, countSql(rowsOfLeaf(leaf), blocks))) {
        const range = Math.min(count - 1, Math.floor(((before + block) / total) * count))
        found[range] = (found[range] as number) + Number(rows)
      }
    }
    before += leaf.blocks
  }
  const mean = found.reduce((sum, rows) => sum + rows, 0) / count
  const most = Math.max(...found)
  return most > UNEVEN * mean ? Math.min(MOST, Math.ceil(most / mean)) : 1
}

/** How many rows some blocks have. */
function countSql({ from, where }: Rows, blocks: readonly number[]): string {
  const inBlock = `ctid >= ('(' || b || ',0)')::tid and ctid < ('(' || b + 1 || ',0)')::tid`
  return `select b, (select count(*) from ${from}${whereSql(inBlock, where)}) from unnest('{${blocks.join(',')}}'::int[]) b`
}

/** The condition of a range of blocks. */
export function blocksSql(from: number, to: number | undefined): string | undefined {
  const at = (block: number) => quoteLiteral({ text: `(${block},0)`, type: ['pg_catalog', 'tid'] })
  const conditions = [...(from > 0 ? [`ctid >= ${at(from)}`] : []), ...(to === undefined ? [] : [`ctid < ${at(to)}`])]
  return conditions.length > 0 ? conditions.join(' and ') : undefined
}

/** What the server calls this session, and the files that leaves are in now; nothing for those that are gone. */
export function filesSql(leaves: readonly Leaf[]): string {
  const files = leaves.map(({ schema, table }) => `pg_relation_filenode(to_regclass(${quoteText(quoteNames(schema, table))}))`)
  return `select ${['pg_backend_pid()', ...files].join(', ')}`
}
