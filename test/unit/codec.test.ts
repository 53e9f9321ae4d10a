import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createContext, runInContext } from 'node:vm'
import fc from 'fast-check'
import { Binary, Long, ObjectId } from 'mongodb'
import { decode, encode } from '../../packages/core/dist/wire/codec.js'

const through = (value: unknown) => decode(encode(value, 'a value'))

test('decode() gives back what encode() was given, for any data', () => {
  // Dates have a test of their own: Node 20's deepStrictEqual() takes an invalid one, as a key of a Map, for no equal of itself.
  const data = fc.anything({
    withBigInt: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withNullPrototype: false,
  })
  fc.assert(fc.property(data, (value) => assert.deepStrictEqual(through(value), structuredClone(value))))
})

test('a date arrives, an invalid one too, wherever it is', () => {
  const dates = fc.array(fc.date(), { minLength: 1 })
  const times = (list: Iterable<Date>) => Array.from(list, (date) => date.getTime())
  fc.assert(
    fc.property(dates, (list) => {
      const { array, set, map } = through({ array: list, set: new Set(list), map: new Map(list.map((date) => [date, date])) }) as {
        array: Date[]
        set: Set<Date>
        map: Map<Date, Date>
      }
      for (const arrived of [array, set, map.keys(), map.values()]) assert.deepEqual(times(arrived), times(list))
    }),
  )
})

test('every kind of view arrives as it was, over a buffer of exactly its size', () => {
  const buffer = Uint8Array.from({ length: 64 }, (_, i) => i).buffer
  const kinds = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array]
  for (const Kind of [...kinds, BigInt64Array, BigUint64Array]) {
    const view = new Kind(buffer, 8, 3)
    const arrived = through(view) as typeof view
    assert.deepStrictEqual(arrived, view)
    assert.equal(arrived.buffer.byteLength, view.byteLength)
  }
  const view = through(new DataView(buffer, 5, 3)) as DataView
  assert.deepEqual([view.byteLength, view.buffer.byteLength, view.getUint8(0)], [3, 3, 5])
})

test('a view ships its own range only, and a Buffer arrives as a Uint8Array', () => {
  const large = new Float64Array(100_000)
  assert.ok(encode(large.subarray(10, 12), 'a view').byteLength < 100)
  const arrived = through(Buffer.from('text')) as Uint8Array
  assert.equal(Object.getPrototypeOf(arrived), Uint8Array.prototype)
  assert.equal(new TextDecoder().decode(arrived), 'text')
  assert.equal(arrived.buffer.byteLength, 4)
})

test('a view that is there twice is one object again', () => {
  const view = new Uint8Array(3)
  const [first, second] = through([view, view]) as Uint8Array[]
  assert.equal(first, second)
})

test('encode() refuses arrays with holes, wherever they are, and takes all others', () => {
  const length = 4_000_000_000
  const sparse: unknown[] = []
  sparse[length - 1] = 1
  for (const value of [
    sparse,
    [3, new Array(1)],
    { a: { b: new Array(2) } },
    new Map([[sparse, 1]]),
    new Map([[1, sparse]]),
    new Set([sparse]),
  ]) {
    assert.throws(() => encode(value, 'a value'), { code: 'UNSERIALIZABLE', message: /an array of \d+ items with holes; fill them/ })
  }
  const cycle: unknown[] = [undefined, new Array(3).fill(0), { date: new Date(0) }]
  cycle.push(cycle, { cycle })
  assert.deepStrictEqual(through(cycle), cycle)
})

test('encode() refuses values of BSON, which would lose their types, and takes data that looks like them', () => {
  for (const value of [new ObjectId(), { a: [new Map([['b', Long.fromNumber(1)]])] }, new Binary(Buffer.from('a'))]) {
    assert.throws(() => encode(value, 'a value'), { code: 'UNSERIALIZABLE', message: /a value of BSON \((ObjectId|Long|Binary)\), whose/ })
  }
  assert.deepEqual(through({ _bsontype: 'ObjectId' }), { _bsontype: 'ObjectId' })
})

test('encode() refuses what is no data, and says what it found', () => {
  const refused: [unknown, RegExp][] = [
    [() => 1, /^Cannot send a value: \(\) ?=> ?1 could not be cloned; only data can be sent/],
    [{ deep: [Symbol('s')] }, /Symbol\(s\) could not be cloned/],
    [new SharedArrayBuffer(8), /SharedArrayBuffer/],
    [new Uint8Array(new SharedArrayBuffer(8)), /a view of a SharedArrayBuffer could not be cloned/],
    [Promise.resolve(), /could not be cloned/],
    [new MessageChannel().port1, /MessagePort could not be cloned/],
    [runInContext('(function foreign() {})', createContext()), /could not be cloned/],
    [
      {
        get x() {
          throw new RangeError('no x')
        },
      },
      /no x/,
    ],
  ]
  for (const [value, message] of refused) assert.throws(() => encode(value, 'a value'), { code: 'UNSERIALIZABLE', message })
})
