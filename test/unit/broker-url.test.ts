import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readBroker } from '../../packages/core/dist/wire/broker-url.js'

test('readBroker() takes hosts, hosts with ports, and URLs', () => {
  const read = (named: string) => readBroker(named).url
  assert.equal(read('localhost'), 'amqp://localhost')
  assert.equal(read('192.0.2.7:5673'), 'amqp://192.0.2.7:5673')
  assert.equal(read('[::1]:5673'), 'amqp://[::1]:5673')
  assert.equal(read('user:word@host'), 'amqp://user:word@host')
  assert.equal(read('amqps://user:word@host/v%2Fhost?heartbeat=5'), 'amqps://user:word@host/v%2Fhost?heartbeat=5')
})

test('readBroker() refuses a heartbeat that is none', () => {
  assert.equal(readBroker('amqp://host/?heartbeat=5').heartbeatS, 5)
  assert.equal(readBroker('host').heartbeatS, 10)
  for (const bad of ['abc', '-1', '1.5', '', '65536'])
    assert.throws(() => readBroker(`amqp://host/?heartbeat=${bad}`), {
      code: 'INVALID_ARGUMENT',
      message: /heartbeat must be whole seconds/,
    })
})

test('readBroker() shows no password, in what it gives or in its errors', () => {
  const { shown, named } = readBroker('user:pa$$word@host:1')
  assert.deepEqual([shown, named], ['amqp://user:***@host:1', 'user:***@host:1'])
  assert.equal(readBroker('amqp://user:pa@ss@host').named, 'amqp://user:***@host')
  for (const bad of ['http://user:secret@host', 'amqp://user:secret@', 'user:secret@a b']) {
    assert.throws(
      () => readBroker(bad),
      (error: Error) => /^Cannot read broker /.test(error.message) && !error.message.includes('secret'),
    )
  }
})
