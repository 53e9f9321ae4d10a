import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  fingerprintOf,
  replyQueue,
  taskQueue,
  toNamesakes,
  toWorker,
  toWorkersOf,
  workerQueue,
} from '../../packages/core/dist/wire/names.js'

test('names on a broker keep apart what must not meet', () => {
  const queues = [
    taskQueue('default', 'Sum', 'f1'),
    taskQueue('default', 'Sum', 'f2'),
    taskQueue('default', 'Mean', 'f1'),
    taskQueue('other', 'Sum', 'f1'),
    replyQueue('default', 'Sum'),
    workerQueue('default', 'Sum'),
  ]
  assert.equal(new Set(queues).size, queues.length)
  for (const queue of queues) assert.match(queue, /^pymar\.1\.(default|other)\./)
  const keys = [...queues.map((queue) => toWorkersOf(queue).key), toNamesakes('default', 'Sum').key, toNamesakes('other', 'Sum').key]
  assert.equal(new Set(keys).size, keys.length)
  assert.deepEqual(toWorker('default', 'host:1'), { exchange: '', key: workerQueue('default', 'host:1') })
})

test('fingerprints differ with code, version and secret, and a version takes the place of the code', () => {
  const prints = [
    fingerprintOf('code', undefined, undefined),
    fingerprintOf('other code', undefined, undefined),
    fingerprintOf('code', '1', undefined),
    fingerprintOf('code', '2', undefined),
    fingerprintOf('code', 'code', undefined),
    fingerprintOf('code', undefined, 'secret'),
    fingerprintOf('code', undefined, 'other secret'),
  ]
  assert.equal(new Set(prints).size, prints.length)
  for (const print of prints) assert.match(print, /^[\da-f]{16}$/)
  assert.equal(fingerprintOf('code', '1', undefined), fingerprintOf('other code', '1', undefined))
})
