import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isAlive, slotsOf, start, until } from '../processes.ts'

for (const [how, script] of [
  ['by the kernel', 'endless.mjs'],
  ['by a thread that watches', 'thread-parent.mjs'],
] as const) {
  test(`a slot in an endless loop ends within a second of the SIGKILL of its script, ${how}`, async () => {
    const { child, ended, err } = start([script])
    await until('a slot computes', () => err().includes('computing'))
    const slots = slotsOf(child.pid as number)
    assert.ok(slots.length > 0)
    child.kill('SIGKILL')
    await until('its slots are gone', () => !slots.some(isAlive), 1000)
    await ended
  })
}
