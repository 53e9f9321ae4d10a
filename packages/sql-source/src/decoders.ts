/** Makes a value of what binary COPY sends of it. */
export type Decoder = (bytes: Buffer, at: number, length: number) => unknown

/** Milliseconds and days from 1970 to 2000, where PostgreSQL's time begins. */
const EPOCH_MS = Date.UTC(2000, 0, 1)
const DAY_MS = 86_400_000
const INFINITE_DAY = 2 ** 31 - 1
const NUMERIC_NEGATIVE = 0x4000
const NUMERIC_NAMES: Readonly<Record<number, string>> = { 49152: 'NaN', 53248: 'Infinity', 61440: '-Infinity' }

const text: Decoder = (bytes, at, length) => bytes.toString('utf8', at, at + length)

/** Types of PostgreSQL, by oid, as pg itself gives their values; but int8 is a bigint, and numeric is a text in arrays too. */
const SCALARS: ReadonlyMap<number, Decoder> = new Map<number, Decoder>([
  [16, (bytes, at) => bytes[at] === 1],
  [17, (bytes, at, length) => Buffer.from(bytes.subarray(at, at + length))],
  [19, text],
  [20, (bytes, at) => bytes.readBigInt64BE(at)],
  [21, (bytes, at) => bytes.readInt16BE(at)],
  [23, (bytes, at) => bytes.readInt32BE(at)],
  [25, text],
  [26, (bytes, at) => bytes.readUInt32BE(at)],
  [114, (bytes, at, length) => JSON.parse(text(bytes, at, length) as string)],
  [700, (bytes, at) => shortest(bytes.readFloatBE(at))],
  [701, (bytes, at) => bytes.readDoubleBE(at)],
  [1042, text],
  [1043, text],
  [1082, (bytes, at) => dateOf(bytes.readInt32BE(at))],
  [1114, (bytes, at) => timestampOf(bytes, at, localTime)],
  [1184, (bytes, at) => timestampOf(bytes, at, (ms) => new Date(ms))],
  [1700, numericOf],
  [2950, (bytes, at) => bytes.toString('hex', at, at + 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')],
  // A byte before it says which version of the format it is.
  [3802, (bytes, at, length) => JSON.parse(text(bytes, at + 1, length - 1) as string)],
])

/** The arrays of these types, by oid. */
const ARRAYS: ReadonlySet<number> = new Set([
  199, 1000, 1001, 1005, 1007, 1009, 1014, 1015, 1016, 1021, 1022, 1028, 1115, 1182, 1185, 1231, 2951, 3807,
])

/** How values of a type are decoded; undefined for those that come as text. */
export function decoderOf(type: number): Decoder | undefined {
  return SCALARS.get(type) ?? (ARRAYS.has(type) ? arrayOf : undefined)
}

/** Values of a type that comes as text. */
export function parsedBy(parse: (text: string) => unknown): Decoder {
  return (bytes, at, length) => parse(text(bytes, at, length) as string)
}

/** The number that is written as the value is: 0.1, and not what 0.1 is to 24 bits. */
function shortest(value: number): number {
  if (!Number.isFinite(value) || (Number.isInteger(value) && Math.abs(value) < 1e6)) return value
  // Six digits never say too much, but of the smallest numbers.
  for (let digits = Math.abs(value) < 2 ** -126 ? 1 : 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value && !isMidway(short, value)) return toEven(value, digits) ?? short
  }
  return Number(value.toPrecision(9))
}

const FLOAT = new Float32Array(1)
const BITS = new Int32Array(FLOAT.buffer)

/** Whether a number lies just between a value of 24 bits and the next one: then PostgreSQL writes a digit more. */
function isMidway(short: number, value: number): boolean {
  FLOAT[0] = value
  BITS[0] = (BITS[0] as number) + (Math.abs(short) > Math.abs(value) ? 1 : -1)
  return short === (value + (FLOAT[0] as number)) / 2
}

const EVEN_AND_A_HALF = /([02468])(\.?)5(?=$|e)/

/** Where a value lies in the middle of two numbers of so many digits, PostgreSQL takes the one that ends even, and JavaScript the larger one. */
function toEven(value: number, digits: number): number | undefined {
  const middle = value.toPrecision(digits + 1)
  if (Number(middle) !== value || !EVEN_AND_A_HALF.test(middle)) return undefined
  const lower = Number(middle.replace(EVEN_AND_A_HALF, '$1$20'))
  return Math.fround(lower) === value ? lower : undefined
}

/** Midnight of a day, local time. */
function dateOf(days: number): Date | number {
  if (days === INFINITE_DAY) return Number.POSITIVE_INFINITY
  if (days === -INFINITE_DAY - 1) return Number.NEGATIVE_INFINITY
  return localTime(EPOCH_MS + days * DAY_MS)
}

function timestampOf(bytes: Buffer, at: number, toDate: (ms: number) => Date): Date | number {
  const [high, low] = [bytes.readInt32BE(at), bytes.readUInt32BE(at + 4)]
  if (high === INFINITE_DAY && low === 2 ** 32 - 1) return Number.POSITIVE_INFINITY
  if (high === -INFINITE_DAY - 1 && low === 0) return Number.NEGATIVE_INFINITY
  // Microseconds: beyond 2^53 a number would not hold them.
  const isSmall = high >= -(2 ** 20) && high < 2 ** 20
  const ms = isSmall ? Math.floor((high * 2 ** 32 + low) / 1000) : Number(floorDivide(bytes.readBigInt64BE(at), 1000n))
  return toDate(ms + EPOCH_MS)
}

function floorDivide(value: bigint, by: bigint): bigint {
  return (value - (((value % by) + by) % by)) / by
}

/** When clocks here show what clocks of UTC show at this time. */
function localTime(ms: number): Date {
  const utc = new Date(ms)
  const local = new Date(
    utc.getUTCFullYear(),
    utc.getUTCMonth(),
    utc.getUTCDate(),
    utc.getUTCHours(),
    utc.getUTCMinutes(),
    utc.getUTCSeconds(),
    utc.getUTCMilliseconds(),
  )
  const year = utc.getUTCFullYear()
  // Two digits are taken for a year of the twentieth century.
  if (year >= 0 && year < 100) local.setFullYear(year)
  return local
}

/** Groups of four decimal digits, the first of them weighing 10000^weight. */
function numericOf(bytes: Buffer, at: number): string {
  const [groups, weight, sign, scale] = [
    bytes.readUInt16BE(at),
    bytes.readInt16BE(at + 2),
    bytes.readUInt16BE(at + 4),
    bytes.readUInt16BE(at + 6),
  ]
  const name = NUMERIC_NAMES[sign]
  if (name) return name
  const group = (i: number) => (i >= 0 && i < groups ? String(bytes.readUInt16BE(at + 8 + 2 * i)).padStart(4, '0') : '0000')
  let whole = ''
  for (let i = 0; i <= weight; i++) whole += group(i)
  whole = whole.replace(/^0+(?=.)/, '') || '0'
  let fraction = ''
  for (let i = weight + 1; fraction.length < scale; i++) fraction += group(i)
  return `${sign === NUMERIC_NEGATIVE ? '-' : ''}${whole}${scale > 0 ? `.${fraction.slice(0, scale)}` : ''}`
}

function arrayOf(bytes: Buffer, at: number): unknown[] {
  const dimensions = bytes.readInt32BE(at)
  const decode = SCALARS.get(bytes.readUInt32BE(at + 8)) as Decoder
  const sizes = Array.from({ length: dimensions }, (_, i) => bytes.readInt32BE(at + 12 + 8 * i))
  let next = at + 12 + 8 * dimensions
  const element = () => {
    const length = bytes.readInt32BE(next)
    const from = next + 4
    next = from + Math.max(0, length)
    return length < 0 ? null : decode(bytes, from, length)
  }
  const read = (dimension: number): unknown[] => {
    const isLast = dimension === dimensions - 1
    return Array.from({ length: sizes[dimension] as number }, () => (isLast ? element() : read(dimension + 1)))
  }
  return dimensions === 0 ? [] : read(0)
}
