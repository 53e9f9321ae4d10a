// needs: postgres
// Values are those that pg gives, whatever their type; int8 is a bigint, and numeric a text in arrays too.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { SqlDataSource } from '@pymar/sql-source'
import fc from 'fast-check'
import pg from 'pg'
import { inline } from '../conformance/transports.ts'
import { List } from '../jobs/lists.ts'
import { needs, serverUrl } from '../servers/needs.ts'
import { open, sql } from './database.ts'

const pad = (value: number, length = 2) => String(value).padStart(length, '0')
const int = (bits: number) => fc.oneof(fc.bigInt(-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n), fc.bigInt(-3n, 3n)).map(String)
const decimal = fc
  .tuple(fc.boolean(), fc.stringMatching(/^\d{1,30}$/), fc.stringMatching(/^\d{0,20}$/))
  .map(([minus, whole, fraction]) => `${minus ? '-' : ''}${whole}${fraction ? `.${fraction}` : ''}`)
const characters = fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => text.replaceAll('\0', ''))
const day = fc.tuple(fc.integer({ min: 1, max: 9999 }), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 28 }), fc.boolean())
const date = day.map(([year, month, dayOfMonth, bc]) => `${pad(year, 4)}-${pad(month)}-${pad(dayOfMonth)}${bc && year < 4000 ? ' BC' : ''}`)
// Not in the hours in which clocks are put forward.
const time = fc
  .tuple(
    fc.integer({ min: 4, max: 23 }),
    fc.integer({ min: 0, max: 59 }),
    fc.integer({ min: 0, max: 59 }),
    fc.integer({ min: 0, max: 999_999 }),
  )
  .map(([hour, minute, second, us]) => `${pad(hour)}:${pad(minute)}:${pad(second)}.${pad(us, 6)}`)
const dateTime = fc
  .tuple(date, time)
  .map(([days, times]) => (days.endsWith(' BC') ? `${days.slice(0, -3)} ${times} BC` : `${days} ${times}`))
const json = fc.json({ noUnicodeString: false } as object).map((text) => text.replaceAll('\\u0000', ''))
const infinite = fc.constantFrom('infinity', '-infinity')
const rarely = (usual: fc.Arbitrary<string>, rare: fc.Arbitrary<string>) =>
  fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: rare })

const SCALARS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  int2: int(16),
  int4: int(32),
  int8: int(64),
  float4: rarely(
    fc.float({ noNaN: true }).map((value) => (Number.isFinite(value) ? String(value) : 'Infinity')),
    fc.constantFrom('NaN', '-0'),
  ),
  float8: rarely(fc.double({ noNaN: true }).map(String), fc.constantFrom('NaN', '-0')),
  numeric: rarely(decimal, fc.constantFrom('NaN', 'Infinity', '-Infinity', '0.000', '1e50', '10000', '0.0001')),
  bool: fc.constantFrom('true', 'false'),
  text: characters,
  'varchar(50)': characters.map((text) => [...text].slice(0, 50).join('')),
  'char(30)': fc.stringMatching(/^[a-zäß ]{0,30}$/),
  bytea: fc.uint8Array().map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`),
  uuid: fc.uuid(),
  date: rarely(date, infinite),
  timestamp: rarely(dateTime, infinite),
  timestamptz: rarely(
    dateTime.map((text) => text.replace(/( BC)?$/, 'Z$1')),
    infinite,
  ),
  json,
  jsonb: json,
  oid: fc.integer({ min: 0, max: 2 ** 31 }).map(String),
  name: fc.stringMatching(/^\w{0,20}$/),
}
/** Those that come as text, and are parsed by pg. */
const OTHERS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  interval: fc.integer().map((seconds) => `${seconds} seconds 3 months`),
  time,
  inet: fc.ipV4(),
  point: fc.tuple(fc.integer(), fc.integer()).map(([x, y]) => `(${x},${y})`),
  int4range: fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => `[${Math.min(a, b)},${Math.max(a, b)})`),
  '"char"': fc.stringMatching(/^[a-z]$/),
  money: fc.integer({ min: -1000, max: 1000 }).map(String),
  'bit varying': fc.stringMatching(/^[01]{0,20}$/),
  tsvector: fc.stringMatching(/^[a-z]{1,5}( [a-z]{1,5})?$/),
  'interval[]': fc.integer().map((seconds) => `{"${seconds} seconds",NULL}`),
  pymar_mood: fc.constantFrom('sad', 'glad'),
  'pymar_mood[]': fc.constantFrom('{sad,glad}', '{}'),
  pymar_small: int(16),
  pymar_pair: fc.nat().map((a) => `(${a},"x y")`),
}

/** `{...}` with elements in quotes, of one dimension or two. */
function arrayOf(element: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const quoted = fc.option(element, { nil: null }).map((text) => (text === null ? 'NULL' : `"${text.replace(/[\\"]/g, '\\$&')}"`))
  const flat = fc.array(quoted, { maxLength: 4 }).map((list) => `{${list.join(',')}}`)
  const deep = fc.tuple(quoted, quoted, quoted, quoted).map(([a, b, c, d]) => `{{${a},${b}},{${c},${d}}}`)
  return fc.oneof(flat, deep)
}

const TYPES: Readonly<Record<string, fc.Arbitrary<string>>> = {
  ...SCALARS,
  ...OTHERS,
  ...Object.fromEntries(Object.entries(SCALARS).map(([type, value]) => [`${type}[]`, arrayOf(value)])),
}

const SETUP = `do $$ begin
  create type pymar_mood as enum ('sad', 'glad'); create domain pymar_small as int2; create type pymar_pair as (a int, b text);
exception when duplicate_object then null; end $$`
after(async () => {
  if (needs('postgres').skip) return
  await sql('drop table if exists pymar_values; drop type if exists pymar_mood, pymar_pair; drop domain if exists pymar_small')
})

/** pg's own values, but for those types that are told to differ. */
const types = new pg.TypeOverrides()
const integers = (text: string) => pg.types.getTypeParser(1009 as never, 'text')(text) as unknown
const deep = (value: unknown, map: (text: string) => unknown): unknown =>
  Array.isArray(value) ? value.map((one) => deep(one, map)) : value === null ? null : map(value as string)
types.setTypeParser(20, BigInt)
types.setTypeParser(1016 as never, (text: string) => deep(integers(text), BigInt))
types.setTypeParser(1231 as never, integers)

for (const rows of ['tuple', 'object'] as const) {
  test(`a table's values are those of pg, as ${rows}s`, needs('postgres'), async () => {
    await sql(SETUP)
    const client = await open()
    const columnsOf = fc.uniqueArray(fc.constantFrom(...Object.keys(TYPES)), { minLength: 1, maxLength: 6 })
    const table = columnsOf.chain((columns) => {
      const row = fc.tuple(...columns.map((type) => fc.option(TYPES[type] as fc.Arbitrary<string>, { nil: null, freq: 6 })))
      return fc.record({ columns: fc.constant(columns), rows: fc.array(row, { maxLength: 6 }) })
    })
    // numeric has had no infinity before 14.
    const [version] = await sql<[string]>('show server_version_num')
    const isOld = Number(version?.[0]) < 140_000
    const property = fc.asyncProperty(table, async ({ columns, rows: values }) => {
      await client.query(
        `drop table if exists pymar_values; create table pymar_values (${columns.map((type, i) => `"c ${i}" ${type}`).join(', ')})`,
      )
      const known = (value: string | null, i: number) =>
        isOld && columns[i]?.startsWith('numeric') ? (value?.replaceAll(/-?Infinity/g, 'NaN') ?? null) : value
      for (const row of values) {
        await client.query(
          `insert into pymar_values values (${columns.map((type, i) => `$${i + 1}::text::${type}`).join(', ')})`,
          row.map(known),
        )
      }
      const query = { text: 'select * from pymar_values', types }
      const { rows: expected } = rows === 'object' ? await client.query(query) : await client.query({ ...query, rowMode: 'array' as const })
      class Values extends SqlDataSource<unknown> {
        static override CONF = serverUrl('postgres')
        static override TABLE = 'pymar_values'
        static override ROWS = rows
      }
      const read = await inline.map(List, Values)
      assert.deepEqual(read, rows === 'tuple' && columns.length === 1 ? structuredClone(expected.flat(1)) : structuredClone(expected))
    })
    try {
      await fc.assert(property, { numRuns: Number(process.env['PYMAR_VALUE_RUNS'] ?? 60) })
    } finally {
      await client.end()
    }
  })
}
