import assert from 'node:assert/strict'
import { test } from 'node:test'
import { start } from '../processes.ts'

const MARGIN_MIB = 8

test('a job of a hundred thousand partitions needs no more memory than one of a thousand', async () => {
  const measure = async (count: number) => {
    const { out, err } = await start(['--expose-gc', 'many-partitions.mjs', String(count)]).ended
    const { right, heapMiB } = JSON.parse(out || `"${err}"`) as { right: boolean; heapMiB: number }
    assert.ok(right)
    return heapMiB
  }
  const [few, many] = [await measure(1_000), await measure(100_000)]
  assert.ok(many < few + MARGIN_MIB, `${few} MiB with a thousand, ${many} MiB with a hundred thousand`)
})
