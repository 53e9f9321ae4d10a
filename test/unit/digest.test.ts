import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { digest } from '../../packages/core/dist/wire/digest.js'

test('digest() is the same for equal data, however it came to be', () => {
  const property = fc.property(
    fc.anything({ withMap: true, withSet: true, withDate: true, withTypedArray: true, withBigInt: true }),
    (value) => {
      assert.equal(digest(structuredClone(value)), digest(value))
    },
  )
  fc.assert(property, { numRuns: 500 })
  // V8 holds these in two ways.
  assert.equal(digest([1, 2, 3]), digest([1.5, 2, 3].map((x, i) => (i === 0 ? x - 0.5 : x))))
  assert.equal(digest('abc'), digest('\u0431abc'.slice(1)))
})

test('digest() differs where data does', () => {
  const ring: unknown[] = []
  ring.push(ring)
  const values = [
    0,
    -0,
    '0',
    0n,
    null,
    undefined,
    true,
    'true',
    [],
    [[]],
    {},
    { a: 1 },
    { b: 1 },
    { a: '1' },
    [1, 2],
    [2, 1],
    [12],
    ['a\nstring 1 b', 'c'],
    ['a', 'b\nstring 1 c'],
    new Number(1),
    new Number(2),
    new String('1'),
    new Map([[1, 2]]),
    new Set([1, 2]),
  ]
  const more = [
    new Date(0),
    new Date(1),
    /a/,
    /a/g,
    new Uint8Array(4),
    new Uint32Array(1),
    new Float32Array(1),
    new DataView(new ArrayBuffer(4)),
    new Error('a'),
    ring,
  ]
  const digests = [...values, ...more].map((value) => digest(value))
  assert.equal(new Set(digests).size, digests.length)
  assert.notEqual(digest('a', 'b'), digest('ab'))
})
