import { createHash, type Hash } from 'node:crypto'

/**
 * A hash of data: the same for the same values, however V8 happens to hold them. Its own bytes for a value are not: an integer is written
 * in one way or another by what was computed before.
 *
 * @param values Anything that can be sent.
 * @returns 64 hexadecimal digits.
 */
export function digest(...values: readonly unknown[]): string {
  const hash = createHash('sha256')
  const seen = new Map<object, number>()
  for (const value of values) add(hash, value, seen)
  return hash.digest('hex')
}

function add(hash: Hash, value: unknown, seen: Map<object, number>): void {
  if (typeof value !== 'object' || value === null) {
    // Not String(): there are two zeros.
    const text = Object.is(value, -0) ? '-0' : String(value)
    hash.update(`${typeof value} ${text.length} ${text}\n`)
    return
  }
  const before = seen.get(value)
  if (before !== undefined) return void hash.update(`again ${before}\n`)
  seen.set(value, seen.size)
  if (ArrayBuffer.isView(value)) {
    hash.update(`${Object.prototype.toString.call(value)} ${value.byteLength}\n`)
    hash.update(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
    return
  }
  if (value instanceof ArrayBuffer) return add(hash, new Uint8Array(value), seen)
  if (value instanceof Date || value instanceof RegExp) hash.update(`${String(Number(value))} ${value}\n`)
  const parts = partsOf(value)
  hash.update(`${Object.prototype.toString.call(value)} ${parts.length}\n`)
  for (const part of parts) add(hash, part, seen)
}

/** What has a primitive in an object's clothes. */
const BOXES = [Number, String, Boolean, BigInt]

function partsOf(value: object): readonly unknown[] {
  if (Array.isArray(value)) return value
  if (value instanceof Set) return [...value]
  if (value instanceof Map) return [...value].flat()
  if (value instanceof Error) return [value.name, value.message, value.cause, ...Object.entries(value).flat()]
  if (BOXES.some((box) => value instanceof box)) return [value.valueOf()]
  return Object.entries(value).flat()
}
