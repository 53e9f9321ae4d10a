import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Markers } from '../../packages/core/dist/transport/markers.js'
import type { PartitionAttempt } from '../../packages/core/dist/transport/task-batch.js'

const attempts = [0, 1, 2].map((index): PartitionAttempt => {
  return { id: index, attempt: 1, task: { kind: 'partition', partition: { index, offset: index, limit: 1 }, attempt: 1 } }
})

/** Markers, with the looks at which each was sent. */
function looked(looks: number, before = attempts) {
  const sent: number[] = []
  let at = 0
  const markers = new Markers(() => sent.push(at))
  const look = () => {
    at++
    markers.look(before)
  }
  for (let i = 0; i < looks; i++) look()
  return { markers, sent, look }
}

test('markers follow each other ever more seldom, until one comes', () => {
  const { markers, sent, look } = looked(31)
  assert.deepEqual(sent, [1, 2, 4, 8, 16])
  markers.came(3)
  look()
  look()
  assert.deepEqual(sent, [1, 2, 4, 8, 16, 32, 33])
})

test('none is sent where nothing is in the queue that it could pass', () => {
  assert.deepEqual(looked(5, []).sent, [])
})

test('what was before a marker has passed when that comes; asked once', () => {
  const { markers } = looked(1)
  assert.deepEqual(markers.takePassed(), [])
  markers.came(1)
  assert.deepEqual(markers.takePassed(), attempts)
  assert.deepEqual(markers.takePassed(), [])
})

test('a marker that came twice, that is not known, or that was sent before a connection was lost says nothing', () => {
  const { markers } = looked(2)
  markers.came(2)
  markers.takePassed()
  for (const marker of [2, 1, 99]) markers.came(marker)
  assert.deepEqual(markers.takePassed(), [])
  const other = looked(1)
  other.markers.clear()
  other.markers.came(1)
  assert.deepEqual(other.markers.takePassed(), [])
  other.look()
  assert.deepEqual(other.sent, [1, 2])
})
