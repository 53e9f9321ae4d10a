import { inspect } from 'node:util'
import { type ErrorCode, PymarError } from '../errors.ts'
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
const NOT_FIELDS = new Set([
  'name',
  'message',
  'stack',
  'cause',
  'errors',
  '__proto__',
  ...names(Object.prototype),
  ...names(Error.prototype),
])
/** Chains of causes are followed this far, which also ends those that bite their own tail. */
const DEPTH_LIMIT = 16

function names(prototype: object) {
  return Object.getOwnPropertyNames(prototype)
}

/** Describes anything that was thrown. Fields that cannot be cloned are kept as the text that the console would print. */
export function describeError(thrown: unknown, depth = 0): ErrorRecord {
  if (!(thrown instanceof Error)) return { kind: 'value', value: encodeAnyway(thrown) }
  const base = baseOf(thrown)
  const ownClass = thrown.constructor?.name || base
  const fields = Object.keys(thrown).filter((key) => !NOT_FIELDS.has(key) && !(key === 'code' && thrown instanceof PymarError))
  const deeper = depth < DEPTH_LIMIT
  return {
    kind: 'error',
    base,
    name: thrown.name === base ? ownClass : String(thrown.name),
    message: String(thrown.message),
    stack: String(thrown.stack ?? ''),
    ...(thrown instanceof PymarError && { code: thrown.code }),
    fields: fields.map((key) => [key, encodeAnyway((thrown as unknown as Record<string, unknown>)[key])] as const),
    ...(deeper && thrown.cause !== undefined && { cause: describeError(thrown.cause, depth + 1) }),
    ...(deeper && thrown instanceof AggregateError && { errors: thrown.errors.map((error) => describeError(error, depth + 1)) }),
  }
}

/** Rebuilds what {@link describeError} described: an instance of the same built-in class, with everything else restored. */
export function restoreError(record: ErrorRecord): unknown {
  if (record.kind === 'value') return decode(record.value)
  const options = record.cause && { cause: restoreError(record.cause) }
  const error = build(record, options)
  const restore = (key: string, value: unknown, enumerable = false) =>
    Object.defineProperty(error, key, { value, enumerable, writable: true, configurable: true })
  if (error.name !== record.name) restore('name', record.name)
  restore('stack', record.stack)
  for (const [key, value] of record.fields) if (!NOT_FIELDS.has(key)) restore(key, decode(value), true)
  return error
}

function build(record: ErrorRecord & { kind: 'error' }, options: ErrorOptions | undefined): Error {
  if (record.code) return new PymarError(record.code, record.message, options)
  if (record.errors) return new AggregateError(record.errors.map(restoreError), record.message, options)
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
    return encode(value, 'what was thrown')
  } catch {
    return encode(inspect(value), 'what was thrown')
  }
}
