/** What holds no more items than this is looked at again where it is referred to again. */
const SMALL = 16

/**
 * Finds an array with holes in a value, at any depth. Such arrays are not sent: a few bytes can claim four thousand million
 * items, and whoever reads them would go through all of these.
 *
 * @returns How long that array says it is, or undefined if there is none.
 */
export function findSparse(root: unknown): number | undefined {
  const open: object[] = isHolder(root) ? [root] : []
  const seen = new Set<object>()
  for (let holder = open.pop(); holder; holder = open.pop()) {
    if (seen.has(holder)) continue
    const before = open.length
    if (Array.isArray(holder)) {
      for (let i = 0; i < holder.length; i++) {
        const item = holder[i]
        if (item === undefined && !(i in holder)) return holder.length
        if (isHolder(item)) open.push(item)
      }
    } else collect(holder, open)
    // Most objects are small, and hold nothing that could lead back to them.
    if (open.length > before || sizeOf(holder) > SMALL) seen.add(holder)
  }
  return undefined
}

function sizeOf(holder: object): number {
  if (Array.isArray(holder)) return holder.length
  return holder instanceof Map || holder instanceof Set ? holder.size : 0
}

function collect(holder: object, open: object[]) {
  const add = (value: unknown) => {
    if (isHolder(value)) open.push(value)
  }
  if (holder instanceof Map) for (const key of holder.keys()) add(key)
  if (holder instanceof Map || holder instanceof Set) for (const value of holder.values()) add(value)
  else for (const key in holder) add((holder as Record<string, unknown>)[key])
}

function isHolder(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)
}
