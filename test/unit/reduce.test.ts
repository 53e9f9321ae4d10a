import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ARITY, SequenceReducer } from '../../packages/core/dist/job/reduce.js'
import { ReductionTree } from '../../packages/core/dist/ledger/reduction-tree.js'
import { decode, encode } from '../../packages/core/dist/wire/codec.js'

/** Shows how values were grouped: `(0 1 2)`. */
const group = (values: readonly unknown[]) => `(${values.join(' ')})`

async function inSequence(length: number) {
  const reducer = new SequenceReducer(group)
  for (let i = 0; i < length; i++) await reducer.add(String(i))
  return reducer.finish()
}

/** Adds the partials in this order to a tree, and reduces what it hands out. */
function inTree(order: readonly number[]) {
  const tree = new ReductionTree(order.length)
  const add = (level: number, position: number, value: string): string | undefined => {
    const ready = tree.add(level, position, encode(value, 'a partial'))
    if (!ready) return undefined
    if ('result' in ready) return String(decode(ready.result))
    return add(ready.level + 1, ready.position, group(ready.partials.map((partial) => decode(partial))))
  }
  const results = order.map((position) => add(0, position, String(position)))
  assert.ok(results.slice(0, -1).every((result) => result === undefined))
  return results.at(-1)
}

test('a ReductionTree gives the shape of a SequenceReducer, in whatever order partials arrive', async () => {
  const property = fc.asyncProperty(
    fc.integer({ min: 1, max: 3 * ARITY * ARITY }),
    fc.noShrink(fc.infiniteStream(fc.nat())),
    async (length, keys) => {
      const order = Array.from({ length }, (_, i) => [keys.next().value as number, i] as const).sort(([a], [b]) => a - b)
      const shape = await inSequence(length)
      assert.equal(inTree(order.map(([, i]) => i)), length === 1 ? '0' : shape)
    },
  )
  await fc.assert(property, { numRuns: 60 })
})

test('groups have the documented arity, the last one of a level is smaller, and a group of one passes as it is', async () => {
  const range = (from: number, to: number) => group(Array.from({ length: to - from }, (_, i) => from + i))
  assert.equal(await inSequence(0), '()')
  assert.equal(await inSequence(1), '0')
  assert.equal(await inSequence(3), '(0 1 2)')
  assert.equal(await inSequence(ARITY), range(0, ARITY))
  assert.equal(await inSequence(ARITY + 1), `(${range(0, ARITY)} ${ARITY})`)
  assert.equal(await inSequence(ARITY + 2), `(${range(0, ARITY)} ${range(ARITY, ARITY + 2)})`)
})
