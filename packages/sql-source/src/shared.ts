import { createHash } from 'node:crypto'
import { PymarError } from '@pymar/core'
import type { Key } from './keys.ts'
import type { Literal } from './quote.ts'
import type { Column } from './relation.ts'
import type { Settings } from './settings.ts'

/** A table that has rows of its own, and the file that it was in when the partitions were planned. */
export interface Leaf {
  readonly schema: string
  readonly table: string
  /** Null for what has none: a foreign table. */
  readonly file: number | null
}

/** How rows are told apart into partitions. */
export type Cut =
  /** By where they lie. A partition's hint is a `BlockRange`. */
  | { readonly by: 'blocks'; readonly leaves: readonly Leaf[] }
  /** By the keys that sort them. A partition's hint is a `KeyRange`. */
  | { readonly by: 'keys'; readonly keys: readonly Key[]; readonly ties: readonly Key[] }

/** What all partitions of a job share: data, of which each slot makes its own statements. */
export interface Shared {
  /** Of the class attributes: a slot whose class has others would read something else. */
  readonly attributes: string
  readonly snapshot: string
  /** The first number of the advisory locks of this job. */
  readonly lock: number
  /** Oids of all relations that a statement of this job may read. */
  readonly relations: readonly number[]
  /** Session settings on which the meaning of texts depends. */
  readonly session: Readonly<Record<string, string>>
  /** The columns of a query, all of them; else those that are read. */
  readonly columns: readonly Column[]
  readonly params: readonly Literal[]
  readonly cut: Cut
}

/** Says which attributes a class has. PARAMS, CONF and TYPES may differ: they are sent, or are each process's own. */
export function digestOf({ from, columns, where, orderBy, asObjects }: Settings): string {
  const text = JSON.stringify([from, columns ?? null, where ?? null, orderBy, asObjects])
  return createHash('sha256').update(text).digest('base64url').slice(0, 12)
}

/** @throws {PymarError} `SOURCE_FAILED` if a slot's class has other attributes than the one that was planned with. */
export function checkAttributes(settings: Settings, shared: Shared): void {
  if (digestOf(settings) === shared.attributes) return
  throw new PymarError(
    'SOURCE_FAILED',
    `Cannot read ${settings.name}: TABLE, COLUMNS, WHERE, ORDER_BY, QUERY or ROWS of the script's class are not those of the job file; a script must not change them; values go into PARAMS`,
  )
}
