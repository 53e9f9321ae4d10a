import assert from 'node:assert/strict'
import { test } from 'node:test'
import { handOver, summarize } from './hand-over.ts'
import type { ServerOutcome } from './server.ts'

const UP: ServerOutcome = { name: 'amqp', url: 'amqp://127.0.0.1:1', how: 'already at 127.0.0.1:1', stop: async () => {} }
const MISSING: ServerOutcome = { name: 'mongo', why: ['no mongod on this machine', 'no docker engine'] }

test('summarize() says how each server came about, and why one is missing', () => {
  assert.equal(
    summarize([MISSING, UP]),
    'servers: amqp already at 127.0.0.1:1, postgres not needed, mongo missing (no mongod on this machine, no docker engine): tests that need it were skipped',
  )
})

test('handOver() unsets the variable of a missing server and keeps what is not its own', () => {
  const env = { PYMAR_TEST_MONGO: 'mongodb://dead', PYMAR_TEST_AMQP_MISSING: 'old', PYMAR_TEST_POSTGRES: 'kept', HOME: 'kept' }
  assert.deepEqual(handOver([UP, MISSING], env), {
    PYMAR_TEST_AMQP: 'amqp://127.0.0.1:1',
    PYMAR_TEST_MONGO_MISSING: 'no mongod on this machine, no docker engine',
    PYMAR_TEST_POSTGRES: 'kept',
    HOME: 'kept',
  })
})
