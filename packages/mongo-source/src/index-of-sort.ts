import { boundaryOf, type Scene } from './boundaries.ts'
import { type Document, documentsOf, refusedOr, send, toText } from './client.ts'
import { arrayCommand, type Command, explainCommand, indexesCommand, lastCommand, probeCommand } from './commands.ts'
import { unreadable } from './errors.ts'
import type { SortField } from './settings.ts'

/**
 * The index that gives all documents as they are sorted, if there is one and the server keeps to bounds of it. For a filter there may be a better
 * one, and the server is left to find it.
 */
export async function indexOfSort(scene: Scene, hasCollation: boolean): Promise<string | undefined> {
  const { connection, reading } = scene
  if (Object.keys(reading.filter).length > 0) return undefined
  // A view has none, and says so by refusing.
  const indexes = (await refusedOr(documentsOf(connection, reading, indexesCommand(reading)))) ?? []
  const found = indexes.find(
    (index) => hasOrder(index, reading.sort) && (index['name'] === '_id_' || (!index['collation'] && !hasCollation)),
  )
  if (!found) return undefined
  const name = String(found['name'])
  return (await keepsBounds(scene, name)) ? name : undefined
}

function hasOrder({ key, sparse, partialFilterExpression, hidden }: Document, sort: readonly SortField[]): boolean {
  if (sparse || partialFilterExpression || hidden) return false
  return JSON.stringify(Object.entries(key as object).map(([field, way]) => [field, Number(way)])) === JSON.stringify(sort)
}

/**
 * Whether documents from a boundary on are those that they should be. Some servers take bounds, and give all documents; and a range without
 * an end does not hold a document whose key is the greatest that there can be, a MaxKey.
 */
async function keepsBounds(scene: Scene, index: string): Promise<boolean> {
  const { connection, reading, cut } = scene
  const all = { ...reading, filter: {} }
  const keyOf = async (command: Command) => {
    const [found] = (await refusedOr(documentsOf(connection, all, command))) ?? []
    return found && boundaryOf(found, all)
  }
  const second = await keyOf(probeCommand(all, cut, undefined, 1))
  if (!second) return false
  const bounded = { ...cut, index }
  const isSame = (one: unknown, other: unknown) => toText(one ?? null) === toText(other ?? null)
  if (!isSame(await keyOf(probeCommand(all, bounded, second, 0)), second)) return false
  return isSame(await keyOf(lastCommand(all, bounded, second)), await keyOf(lastCommand(all, cut)))
}

/**
 * Refuses documents that hold an array where they are sorted by: they would be in several ranges.
 *
 * @throws {PymarError} `SOURCE_FAILED`, with one of them.
 */
export async function refuseArrays(scene: Scene, index: string | undefined): Promise<void> {
  const { name, connection, reading, cut } = scene
  const fields = reading.sort.map(([field]) => field).filter((field) => field !== '_id')
  if (fields.length === 0 || (index !== undefined && (await hasSeenNone(scene, index)))) return
  const [found] = await documentsOf(connection, reading, arrayCommand(reading, cut))
  if (!found) return
  const where = `${fields.length > 1 ? 'one of the fields' : 'the field'} ${fields.map((field) => `"${field}"`).join(', ')} of SORT`
  throw unreadable(
    name,
    `${where} holds an array in the document with _id ${toText(found['_id'])}, which would be in several partitions; sort by another field`,
  )
}

/** Whether an index has never seen an array; it says so itself. */
async function hasSeenNone({ connection, reading }: Scene, index: string): Promise<boolean> {
  const explained = await refusedOr(send(connection, reading, explainCommand(reading, index)))
  return /"isMultiKey":false/.test(JSON.stringify(explained)) && !/"isMultiKey":true/.test(JSON.stringify(explained))
}
