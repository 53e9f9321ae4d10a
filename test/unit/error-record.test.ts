import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PymarError } from '@pymar/core'
import { decode, encode } from '../../packages/core/dist/wire/codec.js'
import { describeError, type ErrorRecord, restoreError } from '../../packages/core/dist/wire/error-record.js'

/** Through the bytes of a process boundary. */
const through = (thrown: unknown) =>
  restoreError(decode(encode(describeError(thrown), 'a record')) as ErrorRecord) as Error & Record<string, unknown>

class Custom extends RangeError {
  extra = new Map([['a', 1]])
}

test('restoreError() gives the built-in class, the own class name, fields and stack', () => {
  const error = new Custom('message')
  const restored = through(error)
  assert.ok(restored instanceof RangeError)
  assert.equal(restored.name, 'Custom')
  assert.equal(String(restored), 'Custom: message')
  assert.equal(restored.stack, error.stack)
  assert.deepEqual(restored['extra'], new Map([['a', 1]]))
  assert.ok(!Object.keys(restored).includes('stack'))
})

test('restoreError() keeps the name and code that a system error has', () => {
  const error = Object.assign(new Error('not there'), { code: 'ENOENT', errno: -2 })
  assert.deepEqual([through(error)['code'], through(error)['errno']], ['ENOENT', -2])
})

test('restoreError() follows causes to the end, also where the chain bites its tail', () => {
  const inner = new TypeError('inner')
  const outer = new Error('outer', { cause: inner })
  inner.cause = outer
  const restored = through(outer)
  assert.equal((restored.cause as Error).message, 'inner')
  assert.ok((restored.cause as Error) instanceof TypeError)
  assert.equal((restored.cause as Error).cause, 'Error: outer')
})

test('restoreError() gives a PymarError with its code, an AggregateError with its errors, and other values as they are', () => {
  const pymar = through(new PymarError('SOURCE_FAILED', 'no table', { cause: new Error('driver') })) as unknown as PymarError
  assert.ok(pymar instanceof PymarError)
  assert.deepEqual([pymar.code, pymar.message, (pymar.cause as Error).message], ['SOURCE_FAILED', 'no table', 'driver'])
  const aggregate = through(new AggregateError([new Error('one'), 'two'], 'both')) as unknown as AggregateError
  assert.ok(aggregate instanceof AggregateError)
  assert.deepEqual(aggregate.errors.map(String), ['Error: one', 'two'])
  assert.equal(through('text') as unknown, 'text')
  assert.equal(through(undefined) as unknown, undefined)
})

test('fields that cannot be cloned arrive as text, and none can replace what an error is', () => {
  const error = Object.assign(new Error('m'), { run: () => 1, socket: new MessageChannel().port1 })
  Object.defineProperty(error, 'toString', { value: 'broken', enumerable: true })
  const restored = through(error)
  assert.match(String(restored['run']), /Function: run/)
  assert.match(String(restored['socket']), /MessagePort/)
  assert.equal(String(restored), 'Error: m')
})

test('an error that two copies of the package made is a PymarError to both', () => {
  const foreign = Object.defineProperty(new Error('elsewhere'), Symbol.for('@pymar/core/error'), { value: true })
  assert.ok(foreign instanceof PymarError)
  assert.ok(!(new Error('other') instanceof PymarError))
})

test('describeError() describes what cannot be read, and what refers to itself many times', () => {
  const hostile = new Error('m')
  Object.defineProperty(hostile, 'secret', {
    enumerable: true,
    get() {
      throw new RangeError('not for you')
    },
  })
  assert.equal(through(hostile)['secret'], 'its getter threw RangeError: not for you')
  const custom = Object.assign(new Error('m'), { errors: [{ path: 'a' }] })
  assert.deepEqual(through(custom)['errors'], [{ path: 'a' }])
  const aggregate = new AggregateError([], 'all')
  aggregate.errors = Array.from({ length: 6 }, (_, i) => new Error(`e${i}`, { cause: aggregate }))
  assert.equal((through(aggregate) as unknown as AggregateError).errors.length, 6)
  assert.deepEqual(through({ toString: 5 }) as unknown, { toString: 5 })
  const nameless = Object.assign(new Error('m'), { name: Object.create(null) })
  const proxy = new Proxy(new Error('m'), {
    get() {
      throw new Error('no')
    },
  })
  for (const odd of [nameless, proxy]) assert.ok(through(odd))
})
