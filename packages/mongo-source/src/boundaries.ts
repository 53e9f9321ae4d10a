import { type Partition, PymarError } from '@pymar/core'
import type { Boundary } from './bson-order.ts'
import { type Connection, type Document, documentsOf, refusedOr, send, toText } from './client.ts'
import { type Cut, countCommand, probeCommand, sampleCommand } from './commands.ts'
import type { Reading } from './settings.ts'
import { packRange } from './shared.ts'

/** What is planned: which documents, for whom. */
export interface Scene {
  readonly name: string
  readonly connection: Connection
  readonly reading: Reading
  readonly cut: Cut
  /** Which documents, of all as they are sorted. */
  readonly extent: { readonly offset?: number; readonly limit?: number }
}

/** Collections of so many documents are not counted, and their boundaries not looked for at exact positions, where nobody asks for these. */
const LARGE = 200_000
/** Documents that are sampled for each partition: their sizes differ by a tenth or so. */
const SAMPLES = 200
/** Of all documents, at most: up to a twentieth the server reads no others. */
const SAMPLED = 0.04
/** Fewer of a partition's samples than this tell nothing. */
const LEAST_SAMPLES = 20

/** How many documents there are, or may be of use. */
export async function countDocuments({ connection, reading, cut, extent }: Pick<Scene, 'connection' | 'reading' | 'cut' | 'extent'>) {
  const { offset = 0, limit } = extent
  // One more tells whether the last one asked for is the last there is.
  const [found] = await documentsOf(connection, reading, countCommand(reading, cut, limit === undefined ? undefined : offset + limit + 1))
  return Number(found?.['n'] ?? 0)
}

/** Partitions of exactly as many documents each, give or take one. */
export async function planExactly(scene: Scene, count: number): Promise<Partition[]> {
  const { offset = 0, limit } = scene.extent
  const total = await countDocuments(scene)
  const end = Math.min(total, offset + (limit ?? total))
  const start = Math.min(offset, end)
  const positions = bordersOf(start, end, Math.min(count, end - start))
  // Before the first document there is nothing to tell apart, nor behind the last one.
  const boundaries = await boundariesAt(
    scene,
    positions.filter((border) => border > 0 && border < total),
  )
  // Without a snapshot documents may have gone since they were counted: what has no boundary any more lies behind the last document.
  const found = positions.filter((border) => border === 0 || boundaries.has(border))
  return found.length === 0 ? [] : partitionsBetween(found.at(-1) === end ? found : [...found, end], (border) => boundaries.get(border))
}

/** The boundaries at these positions, in ascending order, as far as there are documents. */
async function boundariesAt(scene: Scene, positions: readonly number[]): Promise<Map<number, Boundary>> {
  const boundaries = new Map<number, Boundary>()
  let before: { readonly position: number; readonly boundary: Boundary } | undefined
  for (const position of positions) {
    const boundary = await boundaryAt(scene, before?.boundary, position - (before?.position ?? 0))
    if (!boundary) break
    before = { position, boundary }
    boundaries.set(position, boundary)
  }
  return boundaries
}

/** Places that cut a range into so many parts, with both its ends. */
function bordersOf(start: number, end: number, parts: number): number[] {
  return Array.from({ length: parts + 1 }, (_, i) => (i === parts ? end : start + Math.floor(((end - start) / parts) * i)))
}

function partitionsBetween(borders: readonly number[], boundaryAt: (border: number) => Boundary | undefined): Partition[] {
  return borders.slice(1).map((to, index) => {
    const from = borders[index] as number
    return { index, offset: from, limit: to - from, hint: packRange({ from: boundaryAt(from), to: boundaryAt(to) }) }
  })
}

/** The boundary so many documents behind another one, or behind the first; undefined if there are not so many. */
async function boundaryAt({ connection, reading, cut }: Scene, from: Boundary | undefined, skip: number): Promise<Boundary | undefined> {
  const [found] = await documentsOf(connection, reading, probeCommand(reading, cut, from, skip))
  return found && boundaryOf(found, reading)
}

/** Partitions of about as many documents each, by a sample of them; undefined where that is not worth it, or the server cannot. */
export async function planBySample(scene: Scene, count: number): Promise<Partition[] | undefined> {
  const { connection, reading, extent } = scene
  if (extent.offset !== undefined || extent.limit !== undefined) return undefined
  const total = (await refusedOr(send(connection, reading, { count: reading.collection })))?.['n']
  if (!(total >= LARGE)) return undefined
  const size = Math.floor(Math.min(SAMPLES * count, SAMPLED * total))
  const found = await refusedOr(documentsOf(connection, reading, sampleCommand(reading, size)))
  if (!found) return undefined
  // The same document may have been picked twice.
  const texts = new Map(found.map((document) => boundaryOf(document, reading)).map((boundary) => [toText(boundary), boundary]))
  const boundaries = [...texts.values()]
  if (boundaries.length < LEAST_SAMPLES * count) return undefined
  const about = (place: number) => Math.round((place / boundaries.length) * (found.length / size) * total)
  const places = bordersOf(0, boundaries.length, count)
  const borders = new Map(places.slice(1, -1).map((place) => [about(place), boundaries[place]]))
  return partitionsBetween(places.map(about), (border) => borders.get(border))
}

export function boundaryOf(document: Document, { sort }: Reading): Boundary {
  return sort.map(([field]) => {
    const value = valueAt(document, field)
    checkKept(field, value)
    return value
  })
}

function valueAt(document: Document, path: string): unknown {
  let value: unknown = document
  for (const name of path.split('.')) value = Object.hasOwn(Object(value), name) ? (value as Document)[name] : undefined
  return value ?? null
}

/** What JavaScript does not keep as it was would make a boundary that lies elsewhere. */
function checkKept(field: string, value: unknown): void {
  const refuse = (what: string) => {
    throw new PymarError('SOURCE_FAILED', `Cannot cut up documents at field "${field}": it holds ${what}; sort by another field`)
  }
  if (typeof value !== 'object' || value === null || '_bsontype' in value) return
  if (Array.isArray(value)) {
    for (const item of value) checkKept(field, item)
    return
  }
  if (value instanceof Date && Number.isNaN(value.getTime())) return refuse('a date beyond those of JavaScript')
  const names = Object.keys(value)
  if (names.length > 1 && names.some((name) => /^\d+$/.test(name)))
    return refuse('a document with numbers for names, which JavaScript puts first')
  for (const name of names) checkKept(field, (value as Document)[name])
}
