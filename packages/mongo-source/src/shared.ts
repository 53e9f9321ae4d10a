import { fromText, toText } from './client.ts'
import type { Bounds, Cut } from './commands.ts'
import type { Fields, Reading } from './settings.ts'

/** What all partitions of a job share: what the script's class says, and how it is cut up. What BSON has types for travels as text. */
export interface Shared {
  readonly reading: Omit<Reading, 'filter' | 'projection' | 'pipeline'>
  /** The filter, the projection or null, and the pipeline. */
  readonly data: string
  readonly index?: string
  readonly commonTypes?: boolean
  readonly at?: string
}

/** A partition's hint: boundaries as texts; without them, from the first and to the last document. */
export interface Range {
  readonly from?: string
  readonly to?: string
}

export function packShared({ filter, projection, pipeline, ...reading }: Reading, { index, commonTypes, at }: Cut): Shared {
  return {
    reading,
    data: toText([filter, projection ?? null, pipeline]),
    ...(index !== undefined && { index }),
    ...(commonTypes && { commonTypes }),
    ...(at !== undefined && { at: toText(at) }),
  }
}

export function unpackShared({ reading, data, index, commonTypes, at }: Shared): { readonly reading: Reading; readonly cut: Cut } {
  const [filter, projection, pipeline] = fromText(data) as [Fields, Fields | null, Fields[]]
  return {
    reading: { ...reading, filter, pipeline, ...(projection && { projection }) },
    cut: { ...(index !== undefined && { index }), ...(commonTypes && { commonTypes }), ...(at !== undefined && { at: fromText(at) }) },
  }
}

export function packRange({ from, to }: Bounds): Range {
  return { ...(from && { from: toText(from) }), ...(to && { to: toText(to) }) }
}

export function unpackRange({ from, to }: Range): Bounds {
  const boundary = (text: string | undefined) => (text === undefined ? undefined : (fromText(text) as unknown[]))
  return { from: boundary(from), to: boundary(to) }
}
