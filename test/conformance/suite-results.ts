import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DataSourceFactory } from '@pymar/core'
import fc from 'fast-check'
import {
  ArrayBlocks,
  AsyncJoin,
  AsyncNumbers,
  Describe,
  Harmonic,
  Join,
  Letters,
  Numbers,
  ReusedBlocks,
  TypedBlocks,
} from '../jobs/joins.ts'
import { inline, type Subject } from './transports.ts'

const joined = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i).join(' ')
const SHAPES = [Numbers, AsyncNumbers, ArrayBlocks, ReusedBlocks, TypedBlocks]

/** What every transport must do. */
export function results(subject: Subject) {
  describe(subject.name, () => {
    for (const Source of SHAPES) {
      test(`map() keeps the order of ${Source.name}`, async () => {
        assert.equal(await subject.map(Join, Source), joined(0, 1000))
      })
      test(`map() awaits an async mapFn and reduceFn over ${Source.name}`, async () => {
        assert.equal(await subject.map(AsyncJoin, Source), joined(0, 1000))
      })
    }

    test('map() reads in-memory data of any kind of iterable', async () => {
      const items = Array.from({ length: 23 }, (_, i) => i)
      assert.equal(await subject.map(Join, items), joined(0, 23))
      assert.equal(await subject.map(Join, new Set(items)), joined(0, 23))
      assert.equal(await subject.map(Join, Float64Array.from(items)), joined(0, 23))
      assert.equal(await subject.map(Join, Numbers.prototype[Symbol.iterator].call(new Numbers(0, 23))), joined(0, 23))
      assert.equal(await subject.map(Join, new Map([['k', 1]])), 'k,1')
      assert.equal(await subject.map(Join, new DataSourceFactory(items)), joined(0, 23))
    })

    test('map() gives reduceFn([]) for a source without items', async () => {
      assert.equal(await subject.map(Join, []), '')
      assert.equal(await subject.map(Harmonic, new DataSourceFactory(Numbers, { params: { length: 0 } })), 0)
    })

    test('map() makes as many partitions as there are items when there are fewer than WORKERS_NUMBER', async () => {
      assert.deepEqual((await subject.map(Describe, ['a', 'b'])).length, 2)
    })

    test('map() reads the range that a factory names, which ends where the source ends', async () => {
      const range = (offset?: number, limit?: number) =>
        new DataSourceFactory(Numbers, { ...(offset !== undefined && { offset }), ...(limit !== undefined && { limit }) })
      assert.equal(await subject.map(Join, range(50, 10)), joined(50, 60))
      assert.equal(await subject.map(Join, range(990)), joined(990, 1000))
      assert.equal(await subject.map(Join, range(undefined, 3)), joined(0, 3))
      assert.equal(await subject.map(Join, range(990, 100)), joined(990, 1000))
      assert.equal(await subject.map(Join, range(5000, 10)), '')
    })

    test('map() hands params to fullLength and to every slice', async () => {
      const source = new DataSourceFactory(Numbers, { params: { length: 4, prefix: 'n' } })
      assert.equal(await subject.map(Join, source), 'n0 n1 n2 n3')
    })

    test('map() follows the plan of a source, with its hints, and closes it', async () => {
      const closed = Letters.closed
      assert.equal(await subject.map(Join, Letters), 'a b c d e f g h i j k l m n o p q r s t u v w x y z')
      assert.equal(Letters.closed, closed + 1)
    })

    test('what a plan shares reaches every slice, however large it is', async () => {
      for (const mark of ['!', '?'.repeat(5000)]) {
        const letters = await subject.map(Join, new DataSourceFactory(Letters, { params: { mark } }))
        assert.equal(letters, 'abcdefghijklmnopqrstuvwxyz'.replace(/./g, `$&${mark} `).trimEnd())
      }
    })

    test('mapFn gets the partition, the attempt, the job and the source in its context', async () => {
      const [first, second] = await subject.map(Describe, new DataSourceFactory(Numbers, { offset: 10, limit: 5 }))
      const common = { attempt: 1, job: true, same: 'source', aborted: false }
      assert.deepEqual(JSON.parse(first), { index: 0, offset: 10, limit: 2, ...common })
      assert.deepEqual(JSON.parse(second), { index: 1, offset: 12, limit: 2, ...common })
      const [letters] = await subject.map(Describe, Letters)
      assert.deepEqual(JSON.parse(letters).hint, { from: 'a', to: 'f' })
    })

    test('map() gives the same bits as inline for any partitions', async () => {
      const property = fc.asyncProperty(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 1, max: 200 }), async (length, workers) => {
        const source = new DataSourceFactory(Numbers, { params: { length } })
        Harmonic.WORKERS_NUMBER = workers
        Join.WORKERS_NUMBER = workers
        assert.equal(await subject.map(Harmonic, source), await inline.map(Harmonic, source))
        assert.equal(await subject.map(Join, source), joined(0, length))
      })
      try {
        await fc.assert(property, { numRuns: 25 })
      } finally {
        Harmonic.WORKERS_NUMBER = 10
        Join.WORKERS_NUMBER = 5
      }
    })

    test('several jobs at once do not meet', async () => {
      const jobs = Array.from({ length: 50 }, (_, i) => subject.map(Join, new DataSourceFactory(Numbers, { offset: i, limit: 20 })))
      assert.deepEqual(
        await Promise.all(jobs),
        jobs.map((_, i) => joined(i, i + 20)),
      )
    })
  })
}
