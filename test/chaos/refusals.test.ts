// A broker that refuses what it is given, since a queue is to hold no more than somebody has said.
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import type { MapOptions, ProducerOptions, Progress } from '@pymar/core'
import { namespace, startWorker } from '../amqp/workers.ts'
import { until } from '../processes.ts'
import { noBroker, ownNode } from './own-node.ts'
import { answer, CHAOS, marks, row, start } from './row.ts'

describe('a queue that is full', { skip: noBroker }, () => {
  const own = ownNode()

  const worker = (ours: string) => startWorker(CHAOS, '-w', '2', '-p', 'Chaos', '-q', own.node.url, '--namespace', ours)
  const begin = (ours: string, mark: string, options: MapOptions & ProducerOptions) =>
    // What was lost on its way would be found too, and takes longer.
    start({ items: 40, ms: 20, mark }, { queue: own.node.url, namespace: ours, speculation: false, timeoutMs: 30_000, ...options })

  for (const [kind, quorum] of [
    ['plain', false],
    ['with replicas', true],
  ] as const) {
    row(`queue of tasks full (${kind}): what it refused is sent again, a little at a time`, {}, async (_, t) => {
      const ours = `${namespace}-tasks-${quorum}`
      const mark = marks(t)
      await limit(ours, 'Chaos', 1)
      const one = await worker(ours)
      assert.equal(await begin(ours, mark.path, { quorum }), await answer(40))
      assert.equal(mark.all().length, 40)
      assert.equal(await one.end(), 0)
    })
  }

  row('queue of tasks full, and stays so: said, and the job goes on when there is room', {}, async (_, t) => {
    const ours = `${namespace}-stays`
    const mark = marks(t)
    const said = t.mock.method(console, 'error', () => {})
    await limit(ours, 'Chaos', 0)
    const one = await worker(ours)
    const job = begin(ours, mark.path, {})
    const isSaid = () => said.mock.calls.some(({ arguments: [line] }) => /^Chaos waits: the broker refuses tasks for queue /.test(line))
    await until('it is said', isSaid, 20_000)
    assert.equal(mark.all().length, 0)
    await own.node.tell('clear_policy', ours)
    assert.equal(await job, await answer(40))
    assert.equal(said.mock.callCount(), 1)
    assert.equal(await one.end(), 0)
  })

  row('queue of answers full: they are said again when there is room, and nothing is computed twice', {}, async (_, t) => {
    const ours = `${namespace}-answers`
    const mark = marks(t)
    const one = await worker(ours)
    await limit(ours, 'reply', 0)
    let done = 0
    const onProgress = (progress: Progress) => {
      done = progress.done
    }
    const job = begin(ours, mark.path, { onProgress })
    // More than it has slots: the first one is computed.
    await until('a partition was computed', () => mark.all().length > 2, 20_000)
    await until('it is said', () => /the broker refuses answers for queue pymar\S+: it may be full/.test(one.said()), 20_000)
    assert.equal(done, 0)
    await own.node.tell('clear_policy', ours)
    assert.equal(await job, await answer(40))
    assert.equal(mark.all().length, 40)
    assert.equal(await one.end(), 0)
  })

  async function limit(ours: string, which: string, most: number) {
    const policy = JSON.stringify({ 'max-length': most, overflow: 'reject-publish' })
    await own.node.tell('set_policy', ours, `${ours}.*[.]${which}[.]`, policy, '--apply-to', 'queues')
  }
})
