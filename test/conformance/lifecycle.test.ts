import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PymarError } from '@pymar/core'
import { Endless } from '../jobs/faults.ts'
import { Join, Numbers } from '../jobs/joins.ts'
import { lifecycle } from './suite-lifecycle.ts'
import { local, SUBJECTS } from './transports.ts'

const codeOf = (job: Promise<unknown>) =>
  job.then(String, (error: unknown) => (error instanceof PymarError ? error.code : `no PymarError: ${error}`))

for (const subject of SUBJECTS) lifecycle(subject)

test("onTimeout 'local' goes on without a limit where the slots are local already", async () => {
  const job = local(2).map(Join, Numbers, { timeoutMs: 1, onTimeout: 'local' })
  assert.equal((await job).length, 3889)
})

test('a partition that ran out of its time is tried again as often as retries says', async () => {
  assert.equal(await codeOf(local(1).map(Endless as never, [-1, 1], { partitionTimeoutMs: 30, retries: 1 })), 'TIMEOUT')
  assert.equal(await local(1).map(Endless as never, [-1, -2], { partitionTimeoutMs: 10_000, retries: 1 }), -3)
})
