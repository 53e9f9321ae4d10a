// The fault table: a broker, one of this file's own, that is ended, killed, and started again.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe } from 'node:test'
import { namespace, startWorker } from '../amqp/workers.ts'
import { TcpProxy } from '../tcp-proxy.ts'
import { noBroker, ownNode, PATIENT } from './own-node.ts'
import { answer, CHAOS, gate, inTheMiddle, marks, row, start } from './row.ts'

describe('a broker of our own', { skip: noBroker }, () => {
  const own = ownNode()
  const options = () => ({ queue: own.node.url, namespace, ...PATIENT })
  const worker = () => startWorker(CHAOS, '-w', '2', '-p', 'Chaos', '-q', own.node.url)

  for (const how of ['stop', 'kill'] as const) {
    row(`broker restarted before publishing: ${how}`, {}, async () => {
      const job = start({ items: 40 }, options())
      const restarted = own.restart(how)
      assert.equal(await Promise.all([worker(), job]).then(async ([one, result]) => (await one.end()) === 0 && result), await answer(40))
      await restarted
    })

    row(`broker restarted while tasks wait: ${how}`, {}, async () => {
      const job = start({ items: 120 }, options())
      while (!(await own.node.ask('list_queues', 'messages', 'name')).some((line) => /^[1-9]\d*\t.*Chaos/.test(line)));
      await own.restart(how)
      const one = await worker()
      assert.equal(await job, await answer(120))
      assert.equal(await one.end(), 0)
    })

    row(`broker restarted in the middle: ${how}`, {}, (next, t) => inTheMiddle({ queue: own.node.url, next, t }, () => own.restart(how)))

    row(`broker restarted at the last reply: ${how}`, {}, async (_, t) => {
      const proxy = await TcpProxy.open(own.node.url)
      t.after(() => proxy.close())
      const one = await worker()
      const job = start({ items: 40, ms: 1 }, { queue: proxy.url, namespace, ...PATIENT })
      let [replies, restarted] = [0, Promise.resolve()]
      // The last of them does not arrive.
      proxy.watch = (direction, bytes) => {
        if (direction === 'down') replies += bytes.toString('latin1').split('"type":"partial"').length - 1
        if (replies < 40) return true
        if (replies < 1000) restarted = own.restart(how)
        replies = 1000
        proxy.cut()
        proxy.watch = () => true
        return false
      }
      assert.equal(await job, await answer(40))
      assert.equal(replies, 1000)
      await restarted
      assert.equal(await one.end(), 0)
    })
  }

  row('broker application stopped and started (stop_app)', {}, (next, t) =>
    inTheMiddle({ queue: own.node.url, next, t }, async () => {
      await own.node.tell('stop_app')
      await own.node.tell('start_app')
    }),
  )

  row('broker down for longer than brokerTimeoutMs: BROKER; what is done so far is in the checkpoint', {}, async (_, t) => {
    const mark = marks(t)
    const checkpoint = join(mark.folder, 'checkpoint')
    const end = gate(t)
    const params = { items: 40, ms: 20, mark: mark.path, held: 30, gate: end.path }
    const one = await worker()
    const job = start(params, { ...options(), brokerTimeoutMs: 3000, checkpoint })
    let done = 0
    const failed = assert.rejects(job, { code: 'BROKER', message: /Cannot connect to broker .*for 3000 ms/ })
    try {
      for await (const _ of job.partials()) if (++done === 10) await own.node.down('kill')
    } catch {
      // The job's own error.
    }
    await failed
    await own.up()
    end.open()
    assert.equal(await start(params, { ...options(), checkpoint }), await answer(40))
    // None of those that counted was computed a second time.
    const twice = new Map<number, number>()
    for (const [index] of mark.all()) twice.set(index, (twice.get(index) ?? 0) + 1)
    assert.ok([...twice.values()].filter((times) => times === 1).length >= done, `${done} were done`)
    assert.equal(await one.end(), 0)
  })
})
