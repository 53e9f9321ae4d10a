import { ALL_TYPES, allOf, type Boundary, between } from './bson-order.ts'
import type { Fields, Reading, SortField } from './settings.ts'

/*
 * The commands that are sent, as documents: what they say is all there is to a source.
 *
 * @see https://www.mongodb.com/docs/manual/reference/command/find/
 * @see https://www.mongodb.com/docs/manual/reference/command/aggregate/
 */

/** Documents of a block. Fixed: it shapes the answer's last bits. */
export const BLOCK_DOCUMENTS = 1000

export type Command = Fields

/** How documents are told apart into ranges. */
export interface Cut {
  /** The index that has the order, where the server keeps to its bounds; else filters compare the fields. */
  readonly index?: string | undefined
  /** Whether the server's filters know common types only. */
  readonly commonTypes?: boolean
  /** The time that all of a job is read at, where the server can. */
  readonly at?: unknown
}

/** Documents from one boundary on, up to another; without them, from the first and to the last. */
export interface Bounds {
  readonly from?: Boundary | undefined
  readonly to?: Boundary | undefined
}

// Maps, since an object would sort names that are numbers.
const sortDocument = (sort: readonly SortField[]) => new Map(sort)
/** Fields that others are in bring these along, and are not asked for twice. */
function keyProjection(sort: readonly SortField[]): Map<string, 1> {
  const fields = ['_id', ...sort.map(([field]) => field)]
  return new Map(fields.filter((field) => !fields.some((other) => field.startsWith(`${other}.`))).map((field) => [field, 1]))
}
const bound = (sort: readonly SortField[], boundary: Boundary) => new Map(sort.map(([field], i) => [field, boundary[i] ?? null]))

function rangeOf({ sort, filter }: Reading, { index, commonTypes = false }: Cut, { from, to }: Bounds): Command {
  if (index === undefined) return { filter: allOf([filter, ...between({ sort, commonTypes }, from, to)]), allowDiskUse: true }
  return { filter, hint: index, ...(from && { min: bound(sort, from) }), ...(to && { max: bound(sort, to) }) }
}

function concernOf({ concern }: Reading, { at }: Cut): Command {
  if (at !== undefined) return { readConcern: { level: 'snapshot', atClusterTime: at } }
  return concern === undefined ? {} : { readConcern: { level: concern } }
}

/** Reads the documents of one partition. */
export function readCommand(reading: Reading, cut: Cut, bounds: Bounds): Command {
  const { collection, projection, sort, pipeline } = reading
  if (pipeline.length === 0) {
    return {
      find: collection,
      ...rangeOf(reading, cut, bounds),
      sort: sortDocument(sort),
      ...(projection && { projection }),
      batchSize: BLOCK_DOCUMENTS,
      ...concernOf(reading, cut),
    }
  }
  const range = { $match: rangeOf(reading, { ...cut, index: undefined }, bounds)['filter'] }
  const stages = [range, { $sort: sortDocument(sort) }, ...(projection ? [{ $project: projection }] : []), ...pipeline]
  return { aggregate: collection, pipeline: stages, cursor: { batchSize: BLOCK_DOCUMENTS }, allowDiskUse: true, ...concernOf(reading, cut) }
}

/**
 * Reads a single document, so that what is wrong with what is asked for is found out.
 *
 * @param asksTime Has the server say at which time it has read.
 */
export function openCommand(reading: Reading, asksTime: boolean): Command {
  const { filter, projection, pipeline, collection } = reading
  const concern = asksTime ? { readConcern: { level: 'snapshot' } } : concernOf(reading, {})
  const project = projection && { projection }
  if (pipeline.length === 0) return { find: collection, filter, ...project, limit: 1, singleBatch: true, ...concern }
  // One more in a batch than there are: no cursor is left.
  const stages = [{ $match: filter }, { $limit: 1 }, ...(projection ? [{ $project: projection }] : []), ...pipeline, { $limit: 1 }]
  return { aggregate: collection, pipeline: stages, cursor: { batchSize: 2 }, ...concern }
}

/** Finds the key of a document so many behind a boundary. */
export function probeCommand(reading: Reading, cut: Cut, from: Boundary | undefined, skip: number): Command {
  const { collection, sort } = reading
  return {
    find: collection,
    ...rangeOf(reading, cut, { from }),
    sort: sortDocument(sort),
    projection: keyProjection(sort),
    skip,
    limit: 1,
    singleBatch: true,
    ...concernOf(reading, cut),
  }
}

/** Finds the key of the last document of all from a boundary on. */
export function lastCommand(reading: Reading, cut: Cut, from?: Boundary): Command {
  const backwards = reading.sort.map(([field, way]) => [field, -way as 1 | -1] as const)
  return { ...probeCommand(reading, cut, from, 0), sort: sortDocument(backwards) }
}

/** Counts documents; up to a limit, where there is one. */
export function countCommand(reading: Reading, cut: Cut, limit?: number): Command {
  const { collection, filter } = reading
  const stages = [{ $match: filter }, ...(limit === undefined ? [] : [{ $limit: limit }]), { $group: { _id: 1, n: { $sum: 1 } } }]
  const isAll = Object.keys(filter).length === 0 && cut.index !== undefined
  // Along an index, which is smaller than what it points to.
  return { aggregate: collection, pipeline: stages, cursor: {}, ...(isAll && { hint: cut.index }), ...concernOf(reading, cut) }
}

/** Finds a document that holds an array where it is sorted by. */
export function arrayCommand(reading: Reading, cut: Cut): Command {
  const { collection, filter, sort } = reading
  const paths = new Set(sort.flatMap(([field]) => field.split('.').map((_, i, names) => names.slice(0, i + 1).join('.'))))
  const arrays = [...paths].filter((path) => path !== '_id').map((path) => ({ [path]: { $type: 'array' } }))
  const where = allOf([filter, arrays.length === 1 ? (arrays[0] as Fields) : { $or: arrays }])
  return { find: collection, filter: where, projection: { _id: 1 }, limit: 1, singleBatch: true, ...concernOf(reading, cut) }
}

/** The keys of documents that the server picks at random, sorted. */
export function sampleCommand({ collection, filter, sort }: Reading, size: number): Command {
  const stages = [{ $sample: { size } }, { $match: filter }, { $project: keyProjection(sort) }, { $sort: sortDocument(sort) }]
  return { aggregate: collection, pipeline: stages, cursor: { batchSize: size + 1 }, allowDiskUse: true }
}

/** Asks for all types that there are. */
export function typesCommand({ collection }: Reading): Command {
  return { find: collection, filter: { _id: { $type: ALL_TYPES } }, projection: { _id: 1 }, limit: 1, singleBatch: true }
}

/** Finds a collection, with what kind it is of. */
export function collectionCommand({ collection }: Reading): Command {
  return { listCollections: 1, filter: { name: collection }, nameOnly: false }
}

export function indexesCommand({ collection }: Reading): Command {
  return { listIndexes: collection, cursor: {} }
}

/** Asks how an index would be read, for whether it has seen arrays. */
export function explainCommand({ collection }: Reading, index: string): Command {
  return { explain: { find: collection, filter: {}, hint: index }, verbosity: 'queryPlanner' }
}
