import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DataSource, DataSourceFactory, Producer } from '@pymar/core'
import { Meddles, NoLength, StartsJob, Stray, Sum } from '../jobs/faults.ts'
import { errorOf, errors, TEN } from './suite-errors.ts'
import { local, SUBJECTS } from './transports.ts'

for (const subject of SUBJECTS) errors(subject)

test('map() reads a range of a source without fullLength', async () => {
  assert.equal(await local(1).map(Sum as never, new DataSourceFactory(NoLength, { offset: 3, limit: 4 })), 3 + 4 + 5 + 6)
})

test('user code that writes to the channel of its slot, and replaces globals, does no harm', async () => {
  assert.equal(await local(1).map(Meddles as never, TEN), 45)
  assert.equal(await local(1).map(Sum as never, TEN), 45)
})

test('an uncaught rejection in a slot fails the task that runs there', async () => {
  const error = await errorOf(local(1).map(Stray as never, TEN))
  assert.equal(error.code, 'USER_ERROR')
  assert.match(error.message, /: Error: nobody caught this$/)
  assert.equal(await local(1).map(Sum as never, TEN), 45)
})

test('jobs that fail of one cause have errors of their own', async () => {
  const module = new URL('../scripts/throws.mjs', import.meta.url)
  const fails = () => errorOf(Sum.map([1], { slots: 1, module }))
  const [one, other] = await Promise.all([fails(), fails()])
  assert.equal(one.code, 'JOB_FILE')
  assert.notEqual(one, other)
})

test('a job that is started in a task is refused, with other advice than one that an import starts', async () => {
  const { message } = await errorOf(local(1).map(StartsJob as never, [1]))
  assert.match(message, /Cannot start a job of Sum in a slot: a task may start none; start it where its result is needed$/)
})

test('map() without its producer rejects', async () => {
  const { map } = new Sum()
  const started = [map([1]), Sum.map.call(undefined as never, [1]), Sum.map.call(class {} as never, [1])]
  for (const job of started) {
    const { code, message } = await errorOf(job)
    assert.deepEqual([code, message.slice(0, 45)], ['INVALID_ARGUMENT', 'Cannot call map() apart from its producer: ca'])
  }
})

test('bad options and producers reject and never throw', async () => {
  class Half extends Sum {
    static override get WORKERS_NUMBER(): number {
      return 2.5
    }
  }
  class Boom extends Sum {
    static override get WORKERS_NUMBER(): number {
      throw new Error('boom')
    }
  }
  class Empty extends Producer {}
  class Unnamed extends Sum {}
  Object.defineProperty(Unnamed, 'name', { value: () => {} })
  assert.match((await errorOf(Unnamed.map([1]))).message, /its class has no name/)
  assert.equal((await errorOf(Sum.prototype.map([1]))).code, 'INVALID_ARGUMENT')
  const hostile = {
    get slots(): number {
      throw new RangeError('no slots')
    },
  }
  assert.match((await errorOf(Sum.map([1], hostile))).message, /^Cannot read the options of map\(\): it threw RangeError: no slots$/)
  const codeAndMessage = async (producer: unknown, options?: object, source: unknown = [1]) => {
    const { code, message } = await errorOf((producer as typeof Sum).map(source as number[], options))
    return `${code} ${message}`
  }
  assert.match(
    await codeAndMessage(Half),
    /^INVALID_ARGUMENT Cannot read WORKERS_NUMBER of Half as it must be an integer .*: current value is 2.5$/,
  )
  assert.match(await codeAndMessage(Boom), /^USER_ERROR Cannot read WORKERS_NUMBER of Boom: it threw Error: boom$/)
  assert.match(await codeAndMessage(Empty), /^INVALID_ARGUMENT Cannot start a job of Empty: it has no static mapFn\(\)$/)
  assert.match(await codeAndMessage(Sum, { timeoutMS: 5 }), /^INVALID_ARGUMENT Cannot use option "timeoutMS" of map\(\): .*timeoutMs/)
  assert.match(await codeAndMessage(Sum, { timeoutMs: '5' }), /^INVALID_ARGUMENT Cannot read option timeoutMs of map\(\)/)
  assert.match(await codeAndMessage(Sum, { slots: 0 }), /^INVALID_ARGUMENT Cannot read option slots/)
  assert.match(await codeAndMessage(Sum, null as never), /^INVALID_ARGUMENT Cannot read the options of map\(\)/)
  const instance = await errorOf(new Sum({ slots: 'two' as never }).map([1]))
  assert.match(instance.message, /^Cannot read option slots of new Sum\(\) as it must be an integer .*: current value is "two"$/)
  const misspelt = await errorOf(Sum.map(new DataSourceFactory(NoLength, { ofset: 1 } as never)))
  assert.match(misspelt.message, /^Cannot use option "ofset" of DataSourceFactory of NoLength: /)
  const items = {
    *[Symbol.iterator]() {
      yield 1
      throw new Error('no more')
    },
  }
  assert.match(await codeAndMessage(Sum, {}, items), /^USER_ERROR Cannot read the items of a source: it threw Error: no more$/)
  assert.match(await codeAndMessage(class extends Sum {}), /^INVALID_ARGUMENT Cannot start a job of a producer: its class has no name/)
  assert.match(
    await codeAndMessage(Sum, {}, class extends DataSource<number> {}),
    /^INVALID_ARGUMENT Cannot start a job of Sum: its source class has no name/,
  )
})

test('a VERSION that is no string is refused', async () => {
  class Numbered extends Sum {
    static override VERSION = 2 as unknown as string
  }
  await assert.rejects(Numbered.map([1]), { code: 'INVALID_ARGUMENT', message: /VERSION of Numbered as it must be a string/ })
})

test('a hint that is too large is refused before it is sent', async () => {
  class Hinted extends DataSource<number> {
    static override fullLength() {
      return 1
    }
    static override partitions() {
      return { partitions: [{ index: 0, offset: 0, limit: 1, hint: 'x'.repeat(300_000) }] }
    }
    *[Symbol.iterator]() {
      yield 1
    }
  }
  for (const subject of SUBJECTS) {
    await assert.rejects(subject.map(Sum, Hinted), { code: 'TOO_LARGE', message: /^Cannot send the hint of partition 0 of 1: it takes/ })
  }
})
