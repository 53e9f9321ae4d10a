import type { Partition } from '@pymar/core'
import { type BlockRange, blocksSql } from './blocks.ts'
import { type Client, rowsOf } from './client.ts'
import { type Rows, type Table, whereSql } from './relation.ts'
import type { Leaf } from './shared.ts'

/** A leaf as it was found. */
export interface FoundLeaf extends Leaf {
  readonly blocks: number
  /** As in `pg_class.relkind`. */
  readonly kind: string
  /** Whether it can be read by block: a table, or the like, in PostgreSQL's own format, that this user may select from. */
  readonly hasBlocks: boolean
  readonly mayRead: boolean
  /** Whether policies say which of its rows this user sees. */
  readonly hasPolicies: boolean
}

/** Blocks that are looked into to see whether rows are spread evenly, of each range and of all. */
const LOOKS = { each: 4, all: 128 }
/** From here on, the rows of the fullest range over those of the mean one, there are more ranges. */
const UNEVEN = 1.5
/** So many times more, at most. */
const MOST = 8
/** So many rows of each range, on average, must have been seen before that is said. */
const LEAST_SEEN = 4

/** The tables that rows of a table are in: itself, its partitions, and what inherits from it. */
export async function leavesOf(client: Client, { oid }: Table): Promise<FoundLeaf[]> {
  const rows = await rowsOf<
    [schema: string, table: string, kind: string, isHeap: boolean, mayRead: boolean, policies: boolean, file: number | null, blocks: string]
  >(
    client,
    `with recursive tree(oid) as (select ${oid}::oid union select i.inhrelid from tree join pg_inherits i on i.inhparent = tree.oid
      where coalesce(to_jsonb(i) ->> 'inhdetachpending', 'false') = 'false')
    select n.nspname, c.relname, c.relkind, coalesce(a.amname = 'heap', false), has_table_privilege(c.oid, 'select') and has_schema_privilege(n.oid, 'usage'), c.relrowsecurity,
      pg_relation_filenode(c.oid), pg_relation_size(c.oid) / current_setting('block_size')::int
    from tree join pg_class c on c.oid = tree.oid join pg_namespace n on n.oid = c.relnamespace left join pg_am a on a.oid = c.relam
    where c.relkind <> 'p' and c.relpersistence <> 't' order by c.oid`,
  )
  return rows.map(([schema, table, kind, isHeap, mayRead, hasPolicies, file, blocks]) => {
    const hasBlocks = isHeap && file !== null
    return { schema, table, kind, file, mayRead, hasPolicies, hasBlocks, blocks: hasBlocks ? Number(blocks) : 1 }
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

/** Ranges of as many blocks each, give or take one, over all leaves; one that ends with a leaf has no end. */
function ranges(leaves: readonly FoundLeaf[], total: number, count: number): Partition[] {
  const starts = startsOf(leaves)
  const borderOf = (index: number) => (index === count ? total : Math.floor((total / count) * index))
  return Array.from({ length: count }, (_, index) => {
    const [offset, end] = [borderOf(index), borderOf(index + 1)]
    const [first, last] = [leafAt(starts, offset), leafAt(starts, end - 1)]
    const [from, to] = [offset - (starts[first] as number), end - (starts[last] as number)]
    const isWhole = to === leaves[last]?.blocks
    const hint: BlockRange = isWhole ? [first, from, last] : [first, from, last, to]
    return { index, offset, limit: end - offset, hint }
  })
}

/** Of each leaf, how many blocks come before it. */
function startsOf(leaves: readonly FoundLeaf[]): number[] {
  let before = 0
  return leaves.map(({ blocks }) => {
    before += blocks
    return before - blocks
  })
}

/** The leaf that has this block, of all there are: the last that begins there or before. */
function leafAt(starts: readonly number[], block: number): number {
  return starts.findLastIndex((start) => start <= block)
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
  return mean >= LEAST_SEEN && most > UNEVEN * mean ? Math.min(MOST, Math.ceil(most / mean)) : 1
}

/** How many rows some blocks have. */
function countSql(rows: Rows, blocks: readonly number[]): string {
  const counts = blocks.map((block) => {
    return `select ${block}, (select count(*) from ${rows.from}${whereSql(blocksSql(rows, block, block + 1), rows.where)})`
  })
  return counts.join(' union all ')
}
