import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DataSourceFactory, PymarError } from '@pymar/core'
import {
  Closures,
  Flaky,
  type HttpError,
  Large,
  LengthOfInstances,
  NeedsValues,
  NoLength,
  NotIterable,
  OddLength,
  PlainSteps,
  Sum,
  ThrowingLength,
  ThrowingPlan,
  ThrowingSource,
  Throws,
  ThrowsCircle,
  ThrowsDeep,
  ThrowsInReduce,
  ThrowsOddly,
  ThrowsString,
  Unreadable,
} from '../jobs/faults.ts'
import { Join, Letters, Numbers } from '../jobs/joins.ts'
import type { AnyProducer, Subject } from './transports.ts'

/** What a job rejects with. */
export async function errorOf(job: Promise<unknown>): Promise<PymarError> {
  const value = await job.then(
    (result) => assert.fail(`no error, but ${result}`),
    (error: unknown) => error,
  )
  assert.ok(value instanceof PymarError, `not a PymarError: ${value}`)
  return value
}

export const TEN = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

/** What every transport must do. */
export function errors(subject: Subject) {
  const fails = (producer: unknown, source: unknown, options = {}) => errorOf(subject.map(producer as AnyProducer, source, options))

  describe(subject.name, () => {
    test('an error of mapFn arrives with class, fields, message, remote stack, partition and chain of causes', async () => {
      const error = await fails(Throws, TEN)
      assert.equal(error.code, 'USER_ERROR')
      assert.match(error.message, /^Cannot compute partition 1 of 4 \(offset 3, limit 3\) on .+: HttpError: status 503$/)
      const cause = error.cause as HttpError & { cause: Error & { cause: unknown } }
      assert.ok(cause instanceof TypeError)
      assert.equal(cause.name, 'HttpError')
      assert.equal(cause.message, 'status 503')
      assert.equal(cause.status, 503)
      assert.deepEqual(cause.detail, { url: 'http://example.test', tries: [1, 2] })
      assert.match(String(cause.retry), /Function: retry/)
      assert.match(cause.stack ?? '', /jobs.faults\.ts:\d+/)
      assert.ok(cause.cause instanceof RangeError)
      assert.equal(cause.cause.cause, 'deepest')
    })

    test('anything that is thrown is the cause', async () => {
      const error = await fails(ThrowsString, TEN)
      assert.equal(error.code, 'USER_ERROR')
      assert.equal(error.cause, 'just a string')
    })

    test('something odd that is thrown is shown as the console would', async () => {
      const error = await fails(ThrowsOddly, TEN)
      assert.equal(error.code, 'USER_ERROR')
      assert.match(error.message, /: \{ toString: 5 \}$/)
    })

    test('what is thrown and cannot be read where the job was started is told all the same', async () => {
      const deep = await fails(ThrowsDeep, [1])
      assert.equal(deep.code, 'USER_ERROR')
      assert.equal((deep.cause as Error).message, 'deep')
      assert.equal((await fails(ThrowsCircle, [1])).code, 'USER_ERROR')
    })

    test('params are what they were when the job was started', async () => {
      const params = { length: 3, prefix: 'a' }
      const job = subject.map(Join as never, new DataSourceFactory(Numbers, { params }))
      params.prefix = 'b'
      assert.equal(await job, await subject.map(Join as never, new DataSourceFactory(Numbers, { params: { length: 3, prefix: 'a' } })))
    })

    test('blocks may come from an iterator whose steps are no promises', async () => {
      assert.equal(await subject.map(Sum as never, PlainSteps), 7)
    })

    test('an error of reduceFn on partials says so', async () => {
      const error = await fails(ThrowsInReduce, TEN)
      assert.equal(error.code, 'USER_ERROR')
      assert.match(
        error.message,
        /^Cannot reduce the partials of ThrowsInReduce on .+: RangeError: partials too large; reduceFn gets what it returned before/,
      )
    })

    test('a mapFn that returns no iterable, a source that throws: USER_ERROR', async () => {
      assert.match((await fails(NotIterable, TEN)).message, /mapFn of NotIterable returned no iterable$/)
      assert.match((await fails(Sum, ThrowingSource)).message, /partition \d of 4 .*: SyntaxError: bad item$/)
      const length = await fails(Sum, ThrowingLength)
      assert.equal(length.code, 'USER_ERROR')
      assert.ok(length.cause instanceof URIError)
    })

    test('a partial, an item or params that cannot be cloned: UNSERIALIZABLE, which names the partition', async () => {
      const partial = await fails(Closures, [1, 2])
      assert.equal(partial.code, 'UNSERIALIZABLE')
      assert.match(
        partial.message,
        /^Cannot send what reduceFn of Closures returned for partition \d of 2: \(\) ?=> ?x could not be cloned; /,
      )
      assert.match((await fails(Join, [() => 1])).message, /^Cannot send the items of partition 0 of 1: /)
      assert.match((await fails(Join, [new SharedArrayBuffer(8)])).message, /SharedArrayBuffer/)
      assert.match(
        (await fails(Join, new Array(3))).message,
        /^Cannot send the items of partition 0 of 3: an array of 1 items with holes; /,
      )
      const params = { length: 3, prefix: Symbol('x') as unknown as string }
      assert.match((await fails(Join, new DataSourceFactory(Numbers, { params }))).message, /^Cannot send the params of Numbers: /)
    })

    test('a failed attempt is tried again as often as retries says', async () => {
      // The item says how many attempts fail; what counts is the attempt that did not.
      assert.equal(await subject.map(Flaky as never, [0, 2, 0], { retries: 2 }), 1 + 3 + 1)
      const error = await fails(Flaky, [0, 2, 0], { retries: 1 })
      assert.match(error.message, /partition 1 of 3 .* on .*, in attempt 2: Error: attempt 2$/)
    })

    test('a failed job rejects once and leaves the next one alone', async () => {
      const jobs = [fails(Throws, TEN), subject.map(Sum as never, TEN), fails(Throws, TEN), subject.map(Sum as never, TEN)]
      const [first, second, third, fourth] = await Promise.all(jobs)
      assert.deepEqual([first.code, second, third.code, fourth], ['USER_ERROR', 45, 'USER_ERROR', 45])
    })

    test('a plan is closed when the job fails, and a plan that cannot be closed spoils no answer', async () => {
      const closed = Letters.closed
      assert.equal((await fails(NotIterable, Letters)).code, 'USER_ERROR')
      assert.equal(Letters.closed, closed + 1)
      const warned = new Promise<Error>((done) => process.once('warning', done))
      assert.equal((await subject.map(Join, new DataSourceFactory(Letters, { params: { close: 'throws' } }))).length, 51)
      assert.match((await warned).message, /^Cannot close the plan of a job: Error: cannot close$/)
    })

    test('lengths, ranges and plans that are none: INVALID_ARGUMENT naming class and value', async () => {
      for (const [length, shown] of [
        [2.5, '2.5'],
        [-1, '-1'],
        [Number.NaN, 'NaN'],
        [2 ** 53, '9007199254740992'],
        ['7', '"7"'],
        [7n, '7n'],
      ] as const) {
        const error = await fails(Sum, new DataSourceFactory(OddLength, { params: length }))
        assert.equal(error.code, 'INVALID_ARGUMENT')
        assert.match(error.message, /^Cannot read fullLength\(\) of OddLength as it must be an integer from 0 to 2\^53 - 1: /)
        assert.ok(error.message.endsWith(shown), error.message)
      }
      assert.match((await fails(Sum, NoLength)).message, /fullLength\(\) of NoLength/)
      for (const options of [
        { offset: -1 },
        { limit: 0.5 },
        { offset: 2 ** 53 },
        { offset: 2 ** 53 - 1, limit: 1 },
        { limit: Number.NaN },
      ]) {
        const error = await fails(Join, new DataSourceFactory(Numbers, options))
        assert.equal(error.code, 'INVALID_ARGUMENT')
        assert.match(error.message, /(offset|limit) of (DataSourceFactory of )?Numbers as it must be an integer/)
      }
    })

    test('a plan whose parts throw when they are read: USER_ERROR', async () => {
      const error = await fails(Sum, ThrowingPlan)
      assert.equal(error.code, 'USER_ERROR')
      assert.match(error.message, /^Cannot plan the partitions of ThrowingPlan: its partitions\(\) threw RangeError: no offset$/)
    })

    test('what is not static says so', async () => {
      assert.match((await fails(Sum, LengthOfInstances)).message, /: it is not static; write static fullLength\(\)$/)
    })

    test('partials of one reduction that are too large for one message arrive in order', async () => {
      const sizes = [40, 1, 40, 2, 40]
      assert.equal(await subject.map(Large as never, sizes), sizes.map((size) => size * 2 ** 20).join())
    })

    test('a source that cannot be read: SOURCE_FAILED with the error of its driver, tried again as often as retries says', async () => {
      const error = await fails(Sum, Unreadable)
      assert.equal(error.code, 'SOURCE_FAILED')
      assert.match(error.message, /^Cannot compute partition 0 of 1 .*: Cannot read Unreadable: connection reset$/)
      assert.ok(error.cause instanceof RangeError)
      assert.equal(error.cause.message, 'driver')
      assert.equal(await subject.map(Sum as never, Unreadable, { retries: 1 }), 7)
    })

    test('an empty source whose reduceFn takes no nothing says so', async () => {
      assert.match((await fails(NeedsValues, [])).message, /; the source is empty, and reduceFn was called with no values$/)
    })

    test('items that throw when they are read: USER_ERROR', async () => {
      const items = Object.defineProperty([1], 0, {
        get() {
          throw new RangeError('not this one')
        },
      })
      assert.match(
        (await fails(Sum, items)).message,
        /^Cannot compute partition 0 of 1 .*: reading its items threw RangeError: not this one$/,
      )
    })

    test('many jobs at once all have their answers', async () => {
      const jobs = Array.from({ length: 300 }, (_, i) => subject.map(Sum as never, [i, i, i]))
      assert.deepEqual(
        await Promise.all(jobs),
        jobs.map((_, i) => 3 * i),
      )
    })

    test('an error shows where the job was started', async () => {
      assert.match((await fails(Throws, TEN)).stack ?? '', /^PymarError: Cannot compute partition 1 of 4 .*\n +at .*conformance.*\.ts/)
    })

    test('a source that is none: INVALID_ARGUMENT with what to pass', async () => {
      for (const source of [
        { length: 2.5 },
        { length: Number.NaN },
        { length: Number.POSITIVE_INFINITY },
        5,
        null,
        undefined,
        {},
        class {},
        () => [],
        new DataView(new ArrayBuffer(8)),
        (async function* () {})(),
      ]) {
        const error = await fails(Join, source)
        assert.equal(error.code, 'INVALID_ARGUMENT')
        assert.match(error.message, /^Cannot read a source from .*: it is no source; /)
      }
      assert.match((await fails(Join, 'text')).message, /^Cannot read a source from "text": it is one text; pass \[\.\.\.text\]/)
      assert.match((await fails(Join, new DataSourceFactory([1] as never, { offset: 1 }))).message, /slice the data instead/)
    })
  })
}
