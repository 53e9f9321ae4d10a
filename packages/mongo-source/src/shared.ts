import { pack, unpack } from './client.ts'
import type { Bounds, Cut } from './commands.ts'
import type { Fields, Reading } from './settings.ts'

/** What all partitions of a job share: what the script's class says, and how it is cut up. What BSON has types for travels as its bytes. */
export interface Shared {
  readonly reading: Omit<Reading, 'filter' | 'projection' | 'pipeline'>
  /** The filter, the projection or null, and the pipeline. */
  readonly data: Uint8Array
  readonly index?: string
  readonly commonTypes?: boolean
  readonly at?: Uint8Array
}

/** A partition's hint: boundaries as bytes of BSON; without them, from the first and to the last document. */
export interface Range {
  readonly from?: Uint8Array
  readonly to?: Uint8Array
}

export function packShared({ filter, projection, pipeline, ...reading }: Reading, { index, commonTypes, at }: Cut): Shared {
  return {
    reading,
    data: pack([filter, projection ?? null, pipeline]),
    ...(index !== undefined && { index }),
    ...(commonTypes && { commonTypes }),
    ...(at !== undefined && { at: pack(at) }),
  }
}

export function unpackShared({ reading, data, index, commonTypes, at }: Shared): { readonly reading: Reading; readonly cut: Cut } {
  const [filter, projection, pipeline] = unpack(data) as [Fields, Fields | null, Fields[]]
  return {
    reading: { ...reading, filter, pipeline, ...(projection && { projection }) },
    cut: { ...(index !== undefined && { index }), ...(commonTypes && { commonTypes }), ...(at !== undefined && { at: unpack(at) }) },
  }
}

export function packRange({ from, to }: Bounds): Range {
  return { ...(from && { from: pack(from) }), ...(to && { to: pack(to) }) }
}

export function unpackRange({ from, to }: Range): Bounds {
  const boundary = (bytes: Uint8Array | undefined) => bytes && (unpack(bytes) as unknown[])
  return { from: boundary(from), to: boundary(to) }
}
