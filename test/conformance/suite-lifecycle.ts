import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { DataSourceFactory, type Progress, PymarError } from '@pymar/core'
import { ClosedBlocks, Patient, PatientAtFirst, Sum, Throws, ThrowsAtOnce } from '../jobs/faults.ts'
import { Join, Letters, Numbers } from '../jobs/joins.ts'
import { until } from '../processes.ts'
import type { Subject } from './transports.ts'

const TEN = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
const codeOf = (job: Promise<unknown>) =>
  job.then(String, (error: unknown) => (error instanceof PymarError ? error.code : `no PymarError: ${error}`))

/** What every transport must do. */
export function lifecycle(subject: Subject) {
  describe(subject.name, () => {
    test('onProgress tells each counted partition, from none to all', async () => {
      const seen: Progress[] = []
      await subject.map(Join, Numbers, { onProgress: (progress) => seen.push(progress) })
      assert.deepEqual(
        seen.map(({ done }) => done),
        [0, 1, 2, 3, 4, 5],
      )
      for (const { partitions, done, workers, running, elapsedMs } of seen) {
        assert.equal(partitions, 5)
        assert.ok((workers >= 1 || done === 0) && workers <= 3)
        assert.ok(running >= 0 && running <= 3)
        assert.ok(elapsedMs >= 0)
      }
    })

    test('an onProgress that throws fails the job with its error', async () => {
      const job = subject.map(Join, Numbers, {
        onProgress() {
          throw new Error('no screen')
        },
      })
      await assert.rejects(job, { code: 'USER_ERROR', message: /onProgress threw Error: no screen/ })
    })

    test('an async onProgress that rejects fails the job with its error', async () => {
      const job = subject.map(Join, Numbers, { onProgress: (async () => Promise.reject(new Error('no network'))) as () => void })
      await assert.rejects(job, { code: 'USER_ERROR', message: /onProgress threw Error: no network/ })
    })

    test('partials() gives every partial with its partition, to each reader', async () => {
      const job = subject.map(Join, new DataSourceFactory(Numbers, { params: { length: 10 } }))
      const read = async () => {
        const values: [number, unknown][] = []
        for await (const { partition, value } of job.partials()) values.push([partition.index, value])
        return values.sort(([a], [b]) => a - b)
      }
      const both = await Promise.all([read(), read()])
      const expected = [0, 1, 2, 3, 4].map((index) => [index, `${2 * index} ${2 * index + 1}`])
      assert.deepEqual(both, [expected, expected])
      assert.equal(await job, '0 1 2 3 4 5 6 7 8 9')
    })

    test('partials() throws the error of a job that fails, and can be left early', async () => {
      const failing = subject.map(Throws as never, TEN)
      await assert.rejects(
        async () => {
          for await (const _ of failing.partials());
        },
        { code: 'USER_ERROR' },
      )
      const job = subject.map(Join, Numbers)
      for await (const _ of job.partials()) break
      assert.equal((await job).length, 3889)
    })

    test('cancel() and a signal reject with CANCELLED, whose cause is the reason', async () => {
      const job = subject.map(Patient as never, TEN)
      const reason = new Error('changed my mind')
      setImmediate(() => job.cancel(reason))
      await assert.rejects(job, { code: 'CANCELLED', cause: reason })
      const aborted = AbortSignal.abort('before')
      await assert.rejects(subject.map(Patient as never, TEN, { signal: aborted }), { code: 'CANCELLED', cause: 'before' })
      const late = AbortSignal.timeout(20)
      await assert.rejects(subject.map(Patient as never, TEN, { signal: late }), { code: 'CANCELLED', message: /TimeoutError/ })
    })

    test('cancel() after the end changes nothing', async () => {
      const job = subject.map(Sum as never, TEN)
      assert.equal(await job, 45)
      job.cancel()
      assert.equal(await job, 45)
    })

    test('a job fails with the error of a plan that loses what it rests on, and closes it', async () => {
      const closed = Letters.closed
      const job = subject.map(Patient as never, new DataSourceFactory(Letters, { params: { lostAfterMs: 100 } }))
      await assert.rejects(job, { code: 'SOURCE_FAILED', message: 'Cannot hold the letters: they are gone' })
      assert.equal(Letters.closed, closed + 1)
    })

    test('a plan is closed when the job is cancelled', async () => {
      const closed = Letters.closed
      assert.equal(await codeOf(subject.map(Patient as never, Letters, { timeoutMs: 20 })), 'TIMEOUT')
      assert.equal(Letters.closed, closed + 1)
    })

    test('timeoutMs and partitionTimeoutMs reject with TIMEOUT, which says how far the job was', async () => {
      await assert.rejects(subject.map(Patient as never, TEN, { timeoutMs: 20 }), {
        code: 'TIMEOUT',
        message: /^Cannot finish the job of Patient within timeoutMs 20: 0 of 4 partitions are done; /,
      })
      await assert.rejects(subject.map(Patient as never, TEN, { partitionTimeoutMs: 20 }), {
        code: 'TIMEOUT',
        message: /^Cannot compute partition \d of 4 \(offset \d, limit \d\) within partitionTimeoutMs 20; /,
      })
    })

    test('a partition that ran out of its time is tried again as often as retries says', async () => {
      assert.equal(await subject.map(PatientAtFirst as never, [20, 25], { partitionTimeoutMs: 1000, retries: 1 }), 45)
    })

    test('blocks are closed and their signal is aborted when their partition is done, and when it fails', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'pymar-test-'))
      try {
        const file = join(folder, 'closed')
        const source = new DataSourceFactory(ClosedBlocks, { params: { file } })
        assert.equal(await subject.map(Sum as never, source), 100 * (990 / 2))
        assert.equal(readFileSync(file, 'utf8').match(/closed/g)?.length, 4)
        assert.equal(await codeOf(subject.map(ThrowsAtOnce as never, source)), 'USER_ERROR')
        assert.match(readFileSync(file, 'utf8'), /closed \d+ true/)
      } finally {
        // Slots whose partitions were stopped may still be writing there.
        await until('the folder is gone', () => isRemoved(folder))
      }
    })
  })
}

function isRemoved(folder: string): boolean {
  try {
    rmSync(folder, { recursive: true, force: true })
    return true
  } catch {
    return false
  }
}
