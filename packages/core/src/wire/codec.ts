import v8 from 'node:v8'
import { messageOf, PymarError } from '../errors.ts'
import { findUnsendable } from './unsendable.ts'

/*
 * Values of user code (partials, params, hints, in-memory slices) travel as structured clones in V8's own format. They
 * are encoded once, where they are made, and decoded once, where they are used; what lies between passes bytes on.
 * A view of a buffer ships its own range only and arrives over a buffer of exactly that size; a Buffer arrives as a
 * Uint8Array.
 */

type View = ArrayBufferView & { readonly buffer: ArrayBufferLike }
type ViewClass = new (buffer: ArrayBuffer, byteOffset: number, length: number) => View

/** A view's kind travels as its place in this list, so new kinds go to the end. Node 20 has no Float16Array. */
const VIEW_KINDS = [
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
  'DataView',
  'Float16Array',
] as const

/** What Node documents of its serializer for subclasses; its type declarations leave it out. */
interface HostObjects {
  _setTreatArrayBufferViewsAsHostObjects(flag: boolean): void
}
const Serializer = v8.Serializer as new () => v8.Serializer & HostObjects

const QUOTE_LIMIT = 200
/** Below 2^31 with room for what surrounds the value. */
const MAX_BYTES = 2_000_000_000

class Writer extends Serializer {
  constructor() {
    super()
    this._setTreatArrayBufferViewsAsHostObjects(true)
  }

  _writeHostObject(value: object) {
    if (!ArrayBuffer.isView(value)) throw new TypeError(`${value.constructor?.name ?? 'a native object'} could not be cloned`)
    if (!(value.buffer instanceof ArrayBuffer)) throw new TypeError('a view of a SharedArrayBuffer could not be cloned')
    const kind = value instanceof DataView ? 'DataView' : (value as unknown as { [Symbol.toStringTag]: string })[Symbol.toStringTag]
    this.writeUint32(VIEW_KINDS.indexOf(kind as (typeof VIEW_KINDS)[number]))
    this.writeUint32(value.byteLength)
    this.writeRawBytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
  }
}

class Reader extends v8.Deserializer {
  _readHostObject() {
    const kind = VIEW_KINDS[this.readUint32()]
    const View = kind && (globalThis as unknown as Record<string, ViewClass & { BYTES_PER_ELEMENT?: number }>)[kind]
    if (!View) throw new TypeError(`this version of Node has no ${kind ?? 'array of that kind'}`)
    const byteLength = this.readUint32()
    // Read before anything of that length is allocated: bytes that are not there cannot be claimed.
    const { buffer } = new Uint8Array(this.readRawBytes(byteLength))
    const length = byteLength / (View.BYTES_PER_ELEMENT ?? 1)
    if (!Number.isInteger(length)) throw new RangeError(`${byteLength} bytes are no ${kind}`)
    return new View(buffer, 0, length)
  }
}

/**
 * Turns a value into bytes.
 *
 * @param value Anything that can be cloned: plain data, Map, Set, Date, bigint, typed arrays, errors.
 * @param what How an error names the value, such as `the partial of partition 3 of 8`.
 * @throws {PymarError} `UNSERIALIZABLE` if it holds a function, a symbol, a SharedArrayBuffer, a native handle, a value of BSON or an array with holes.
 */
export function encode(value: unknown, what: string): Uint8Array {
  const writer = new Writer()
  try {
    const unsendable = findUnsendable(value)
    if (unsendable !== undefined) throw new TypeError(unsendable)
    writer.writeHeader()
    writer.writeValue(value)
  } catch (error) {
    // V8 quotes the whole source text of a function.
    const found = (error instanceof Error ? error.message : messageOf(error)).replace(/\.$/, '').replace(/\s+/g, ' ').slice(-QUOTE_LIMIT)
    throw new PymarError('UNSERIALIZABLE', `Cannot send ${what}: ${found}; only data can be sent, such as numbers, arrays, maps`, {
      cause: error,
    })
  }
  const bytes = writer.releaseBuffer()
  checkSize(bytes.byteLength, what)
  return bytes
}

/** Node's pipe to a child process fails beyond 2 GiB. */
function checkSize(bytes: number, what: string): void {
  if (bytes <= MAX_BYTES) return
  throw new PymarError(
    'TOO_LARGE',
    `Cannot send ${what}: it takes ${bytes} bytes, and a message holds ${MAX_BYTES}; make partials smaller, or partitions more`,
  )
}

/**
 * Turns the bytes of {@link encode} back into the value.
 *
 * @param what How an error names the value.
 * @throws {PymarError} `UNSERIALIZABLE` if they are no such bytes.
 */
export function decode(bytes: Uint8Array, what = 'a value'): unknown {
  try {
    const reader = new Reader(bytes)
    reader.readHeader()
    return reader.readValue()
  } catch (error) {
    throw new PymarError('UNSERIALIZABLE', `Cannot read ${what} from ${bytes.byteLength} bytes: ${messageOf(error)}`, { cause: error })
  }
}
