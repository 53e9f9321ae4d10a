import { type ErrorCode, messageOf, PymarError } from '../errors.ts'
import { decode, encode } from './codec.ts'

/** What was thrown in one process, as plain data for another: an error in its parts, or any other value. */
export type ErrorRecord =
  | {
      readonly kind: 'error'
      /** The built-in class that it is or extends, which is what it is rebuilt as. */
      readonly base: string
      /** Its own class's name, or the `name` that it was given. */
      readonly name: string
      readonly message: string
      readonly stack: string
      readonly code?: ErrorCode
      readonly fields: readonly (readonly [name: string, value: Uint8Array])[]
      readonly cause?: ErrorRecord
      readonly errors?: readonly ErrorRecord[]
    }
  | { readonly kind: 'value'; readonly value: Uint8Array }

const BASES: Readonly<Record<string, ErrorConstructor>> = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError }
/** Described apart, or better not overwritten by what another process says. */
const NOT_FIELDS = new Set(['name', 'message', 'stack', 'cause', '__proto__', ...names(Object.prototype), ...names(Error.prototype)])
/** So many errors of one tree of causes are described in their parts; of those beyond only the message is kept. */
const ERROR_LIMIT = 64

function names(prototype: object) {
  return Object.getOwnPropertyNames(prototype)
}

/**
 * Describes anything that was thrown. Fields that cannot be cloned are kept as the text that the console would print; one
 * whose getter throws, as what that said. It never throws itself.
 */
export function describeError(thrown: unknown): ErrorRecord {
  try {
    return describe(thrown, new Set())
  } catch {
    // A proxy, or an error whose very name cannot be read.
    return { kind: 'value', value: encodeAnyway(messageOf(thrown)) }
  }
}

function describe(thrown: unknown, seen: Set<unknown>): ErrorRecord {
  if (!(thrown instanceof Error)) return { kind: 'value', value: encodeAnyway(thrown) }
  // V8 writes errors that hold each other, and cannot read them.
  if (seen.has(thrown) || seen.size >= ERROR_LIMIT) return { kind: 'value', value: encodeAnyway(messageOf(thrown)) }
  seen.add(thrown)
  const base = baseOf(thrown)
  const name = String(read(thrown, 'name'))
  const isOurs = thrown instanceof PymarError
  const errors = thrown instanceof AggregateError ? read(thrown, 'errors') : undefined
  const cause = read(thrown, 'cause')
  const fields = Object.keys(thrown).filter((key) => !NOT_FIELDS.has(key) && !(key === 'code' && isOurs))
  return {
    kind: 'error',
    base,
    name: name === base ? thrown.constructor?.name || base : name,
    message: String(read(thrown, 'message')),
    stack: String(read(thrown, 'stack') ?? ''),
    ...(isOurs && { code: String(thrown.code) as ErrorCode }),
    fields: fields.map((key) => [key, encodeAnyway(read(thrown, key))] as const),
    ...(cause !== undefined && { cause: describe(cause, seen) }),
    ...(Array.isArray(errors) && { errors: errors.map((error) => describe(error, seen)) }),
  }
}

function read(error: Error, key: string): unknown {
  try {
    return (error as unknown as Record<string, unknown>)[key]
  } catch (thrown) {
    return `its getter threw ${messageOf(thrown)}`
  }
}

/**
 * Rebuilds what {@link describeError} described: an instance of the same built-in class, with everything else restored. Of
 * what is no such record it makes an error that says so; it never throws itself.
 */
export function restoreError(record: ErrorRecord): unknown {
  try {
    return restore(record)
  } catch (error) {
    return new Error(`an error that cannot be read: ${messageOf(error)}`)
  }
}

function restore(record: ErrorRecord): unknown {
  if (record.kind === 'value') return decode(record.value)
  const options = record.cause && { cause: restore(record.cause) }
  const error = build(record, options)
  const put = (key: string, value: unknown, enumerable = false) =>
    Object.defineProperty(error, key, { value, enumerable, writable: true, configurable: true })
  if (error.name !== record.name) put('name', record.name)
  put('stack', record.stack)
  for (const [key, value] of record.fields) if (!NOT_FIELDS.has(key) && !(key === 'errors' && record.errors)) put(key, decode(value), true)
  return error
}

function build(record: ErrorRecord & { kind: 'error' }, options: ErrorOptions | undefined): Error {
  if (record.code) return new PymarError(record.code, record.message, options)
  if (record.errors) return new AggregateError(record.errors.map(restore), record.message, options)
  const Base = Object.hasOwn(BASES, record.base) ? BASES[record.base] : undefined
  return new (Base ?? Error)(record.message, options)
}

function baseOf(error: Error): string {
  for (let proto = Object.getPrototypeOf(error); proto; proto = Object.getPrototypeOf(proto)) {
    const name = proto.constructor?.name
    if (Object.hasOwn(BASES, name)) return name
  }
  return 'Error'
}

function encodeAnyway(value: unknown): Uint8Array {
  try {
    const bytes = encode(value, 'what was thrown')
    // V8 writes values deeper than it reads, and errors in circles that it cannot read at all.
    decode(bytes)
    return bytes
  } catch {
    return encode(messageOf(value), 'what was thrown')
  }
}
