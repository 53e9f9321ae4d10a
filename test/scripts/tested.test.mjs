// A test file with a producer of its own: slots import it, and must not run its tests.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMain, Producer } from '@pymar/core'

export class Sum extends Producer {
  static mapFn(xs) {
    return xs
  }
  static reduceFn(values) {
    return [...values].reduce((a, b) => a + b, 0)
  }
}

if (isMain(import.meta)) {
  test('a job from a test file', async () => {
    assert.equal(await Sum.map([1, 2, 3]), 6)
  })
}
