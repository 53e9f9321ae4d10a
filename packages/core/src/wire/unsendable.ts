/** What holds no more items than this is looked at again where it is referred to again. */
const SMALL = 16

/**
 * Finds what must not be sent in a value, at any depth, though V8 would take it:
 *
 * - an array with holes: a few bytes can claim four thousand million items, and whoever reads them would go through all of these;
 * - a value of BSON, such as an ObjectId: it would arrive as the fields that it is made of, and be equal to none.
 *
 * @returns What it is, and what to do, or undefined if there is nothing of the kind.
 */
export function findUnsendable(root: unknown): string | undefined {
  const open: object[] = isHolder(root) ? [root] : []
  const seen = new Set<object>()
  for (let holder = open.pop(); holder; holder = open.pop()) {
    if (seen.has(holder)) continue
    const before = open.length
    if (Array.isArray(holder)) {
      for (let i = 0; i < holder.length; i++) {
        const item = holder[i]
        if (item === undefined && !(i in holder)) return `an array of ${holder.length} items with holes; fill them, or use a Map`
        if (isHolder(item)) open.push(item)
      }
    } else {
      const type = bsonTypeOf(holder)
      if (type !== undefined)
        return `a value of BSON (${type}), whose type would be lost; send its text, or what EJSON.stringify() makes of it`
      collect(holder, open)
    }
    // Most objects are small, and hold nothing that could lead back to them.
    if (open.length > before || sizeOf(holder) > SMALL) seen.add(holder)
  }
  return undefined
}

/** Classes of BSON say so; data that happens to have such a field does not count. */
function bsonTypeOf(holder: object): string | undefined {
  const { _bsontype: type } = holder as { readonly _bsontype?: unknown }
  return type === undefined || Object.hasOwn(holder, '_bsontype') ? undefined : String(type)
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
