// What a slot does with the tasks that it was given, without a pool that decides for it.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readJobFile } from '../../packages/core/dist/job/job-file.js'
import { type Assignment, Slot } from '../../packages/core/dist/slot/slot.js'
import { encode } from '../../packages/core/dist/wire/codec.js'
import { until } from '../processes.ts'

test('a task that waits behind another one does not begin when it is withdrawn, whenever that is', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pymar-slot-'))
  const [any, first, second, withdrawn] = ['any', 'first', 'second', 'withdrawn'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ]
  const ended: number[] = []
  let gone = false
  const slot = new Slot<Assignment>(
    {},
    {
      loaded() {},
      slowLoad() {},
      started() {},
      ended: (_slot, { ticket }) => ended.push(ticket),
      free() {},
      returned() {},
      broken() {},
      gone() {
        gone = true
      },
    },
  )
  const file = await readJobFile(new URL('../jobs/marks.mjs', import.meta.url).href)
  const job = { id: 'a', partitions: 3, producer: { name: 'Marks' } }
  const assign = (ticket: number, mark: string, until?: string): Assignment => {
    const slice = encode([{ file: mark, ms: 0, until }], 'items')
    const task = { kind: 'partition', partition: { index: ticket, offset: 0, limit: 1 }, attempt: 1, slice } as const
    const assignment: Assignment = { ticket, file, job, task, withdrawn: false }
    slot.give(assignment)
    return assignment
  }
  // The slots of a pool keep no process alive; here a job would.
  const alive = setInterval(() => {}, 1000)
  try {
    assign(1, any)
    await until('it is loaded', () => ended.includes(1), 10_000)
    // Both come in one message, and the first keeps the slot from hearing more.
    assign(2, first, withdrawn)
    const waits = assign(3, second)
    await until('the first has begun', () => existsSync(first))
    slot.withdraw(waits)
    assign(4, any)
    // What has been said to it is on its way by the next turn.
    setImmediate(() => writeFileSync(withdrawn, ''))
    await until('the others are done', () => ended.includes(4))
    assert.deepEqual([ended, existsSync(second)], [[1, 2, 4], false])
  } finally {
    slot.leave()
    await until('it is gone', () => gone)
    clearInterval(alive)
    rmSync(folder, { recursive: true })
  }
})
