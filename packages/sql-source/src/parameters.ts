import { PymarError } from '@pymar/core'

/**
 * The text that PostgreSQL reads as a parameter's value, as pg would send it; null for NULL.
 *
 * @param name How an error names it: `PARAMS[0] of Orders`.
 * @throws {PymarError} `INVALID_ARGUMENT` if there is none.
 */
export function parameterText(value: unknown, name: string): string | null {
  const text = textOf(value, name)
  if (text?.includes('\0')) throw refuse(name, 'it has a character 0 in it, which PostgreSQL cannot store')
  return text
}

function textOf(value: unknown, name: string): string | null {
  if (value === null || value === undefined) return null
  switch (typeof value) {
    case 'string':
      return value
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value)
    case 'object':
      if (value instanceof Date) return dateText(value, name)
      if (ArrayBuffer.isView(value)) return `\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`
      if (Array.isArray(value)) return arrayText(value, name)
      return JSON.stringify(value)
    default:
      throw refuse(name, `it is a ${typeof value}`)
  }
}

/** Local time with its offset, as pg sends it: a `timestamp` or a `date` takes the time, a `timestamptz` the instant. */
function dateText(date: Date, name: string): string {
  if (Number.isNaN(date.getTime())) throw refuse(name, 'it is an invalid date')
  const pad = (value: number, length = 2) => String(value).padStart(length, '0')
  const year = date.getFullYear()
  const day = `${pad(year < 1 ? 1 - year : year, 4)}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.${pad(date.getMilliseconds(), 3)}`
  const minutes = -date.getTimezoneOffset()
  const offset = `${minutes < 0 ? '-' : '+'}${pad(Math.floor(Math.abs(minutes) / 60))}:${pad(Math.abs(minutes) % 60)}`
  return `${day}T${time}${offset}${year < 1 ? ' BC' : ''}`
}

function arrayText(values: readonly unknown[], name: string): string {
  const elements = Array.from(values, (value, i) => {
    if (Array.isArray(value)) return arrayText(value, name)
    const text = textOf(value, `${name}[${i}]`)
    return text === null ? 'NULL' : `"${text.replace(/[\\"]/g, '\\$&')}"`
  })
  return `{${elements.join(',')}}`
}

function refuse(name: string, found: string): PymarError {
  return new PymarError('INVALID_ARGUMENT', `Cannot use ${name} as a parameter: ${found}`)
}
