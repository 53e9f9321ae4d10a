import { PymarError } from './errors.ts'

/** What a value must be: the test, and the rule as an error says it. */
export interface Check {
  readonly holds: (value: unknown) => boolean
  readonly rule: string
}

/** Whether a value counts items: an integer from 0 to 2^53 - 1. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

export const COUNT: Check = { holds: isCount, rule: 'an integer from 0 to 2^53 - 1' }
export const POSITIVE: Check = { holds: (value) => isCount(value) && value > 0, rule: 'an integer from 1 to 2^53 - 1' }
/** Timers of Node hold 31 bits; a longer one would fire at once. */
export const TIME_MS: Check = {
  holds: (value) => typeof value === 'number' && value > 0 && value <= 2 ** 31 - 1,
  rule: 'a number of milliseconds above 0 and below 2^31',
}
export const BOOLEAN: Check = { holds: (value) => typeof value === 'boolean', rule: 'true or false' }
export const TEXT: Check = { holds: (value) => typeof value === 'string', rule: 'a string' }
export const FUNCTION: Check = { holds: (value) => typeof value === 'function', rule: 'a function' }

/** One of a few words. */
export function oneOf(...words: readonly string[]): Check {
  return { holds: (value) => words.includes(value as string), rule: words.map((word) => `'${word}'`).join(' or ') }
}

/**
 * Checks one value.
 *
 * @param what How the error names the value, such as `WORKERS_NUMBER of Sum`.
 * @throws {PymarError} `INVALID_ARGUMENT` if the check does not hold.
 */
export function check(what: string, value: unknown, { holds, rule }: Check): void {
  if (holds(value)) return
  throw new PymarError('INVALID_ARGUMENT', `Cannot read ${what} as it must be ${rule}: current value is ${show(value)}`)
}

/**
 * Checks options against a table of those that there are, so that a misspelt one is not silently ignored.
 *
 * @param owner Whose options they are, such as `map()`.
 * @throws {PymarError} `INVALID_ARGUMENT` if an option has no such name or breaks its rule.
 */
export function checkOptions(owner: string, options: unknown, table: Readonly<Record<string, Check>>): void {
  check(`the options of ${owner}`, options, { holds: (value) => typeof value === 'object' && value !== null, rule: 'an object' })
  for (const [name, value] of Object.entries(options as object)) {
    const rule = Object.hasOwn(table, name) ? table[name] : undefined
    if (!rule) {
      const known = Object.keys(table).join(', ')
      throw new PymarError('INVALID_ARGUMENT', `Cannot use option "${name}" of ${owner}: there is none of that name; there are ${known}`)
    }
    if (value !== undefined) check(`option ${name} of ${owner}`, value, rule)
  }
}

export function isIterable(value: unknown): value is Iterable<unknown> {
  return value !== null && value !== undefined && typeof (value as Iterable<unknown>)[Symbol.iterator] === 'function'
}

export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as AsyncIterable<unknown>)[Symbol.asyncIterator] === 'function'
}

/** Characters of a value that an error shows. */
const SHOWN = 120

/** A value on one line, as an error shows it. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > SHOWN ? `${value.slice(0, SHOWN)}...` : value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return value.name || 'an anonymous function'
  if (typeof value !== 'object' || value === null) return String(value)
  try {
    return (JSON.stringify(value) ?? String(value)).slice(0, SHOWN)
  } catch {
    return Object.prototype.toString.call(value)
  }
}
