// needs: amqp
// The fault table: what networks do between clients and a broker.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { namespace, startWorker } from '../amqp/workers.ts'
import { until } from '../processes.ts'
import { needs, serverUrl } from '../servers/needs.ts'
import { type Direction, TcpProxy } from '../tcp-proxy.ts'
import { answer, CHAOS, gate, row, start } from './row.ts'

const amqp = needs('amqp')
const HEARTBEAT_S = 3
/** Then it connects again, on a machine that may have much else to do: with that, it is less than another heartbeat. */
const CONNECTING_MS = 2500

/** A proxy of its own for each side. */
async function proxies(t: TestContext) {
  const [producer, worker] = [await TcpProxy.open(serverUrl('amqp')), await TcpProxy.open(serverUrl('amqp'))]
  t.after(() => {
    producer.close()
    worker.close()
  })
  const url = (proxy: TcpProxy) => `${proxy.url}${proxy.url.endsWith('/') ? '' : '/'}?heartbeat=${HEARTBEAT_S}`
  return { producer, worker, urlOf: url }
}

// Who does not hear the other notices it: RabbitMQ looks as often as a heartbeat lasts, so that two of them may be three.
for (const [what, heartbeats, directions] of [
  ['half open', 2, ['up', 'down']],
  ['one way cut, from the broker', 2, ['down']],
  ['one way cut, to the broker', 3, ['up']],
] as const satisfies readonly (readonly [string, number, readonly Direction[]])[]) {
  for (const side of ['producer', 'worker'] as const) {
    row(`connection ${what}, of the ${side}: noticed within ${heartbeats} heartbeats`, amqp, async (next, t) => {
      const net = await proxies(t)
      const one = await startWorker(CHAOS, '-w', '2', '-p', 'Chaos', '-q', net.urlOf(net.worker))
      const end = gate(t)
      const job = start(
        { items: 120, ms: 5, held: 60, gate: end.path },
        { queue: net.urlOf(net.producer), namespace, brokerTimeoutMs: 20_000 },
      )
      let left = 1 + Math.floor(next() * 10)
      for await (const _ of job.partials()) if (--left === 0) break
      const before = net[side].connections
      net[side].swallow(...directions)
      const limitMs = heartbeats * HEARTBEAT_S * 1000 + CONNECTING_MS
      await until('there is another connection', () => net[side].connections > before, limitMs)
      end.open()
      assert.equal(await job, await answer(120))
      assert.equal(await start({ items: 40 }, { queue: net.urlOf(net.producer), namespace }), await answer(40))
      assert.equal(await one.end(), 0)
    })
  }
}

row('producer away, and back, after a worker has acknowledged its partitions early: they are computed again', amqp, async (_, t) => {
  const net = await proxies(t)
  const one = await startWorker(CHAOS, '-w', '2', '-v', '-p', 'Chaos', '--ack-timeout', '1000')
  const job = start({ items: 2, ms: 8000 }, { queue: net.urlOf(net.producer), namespace })
  await until('both are', () => one.said().split('acknowledges 1 partition early').length === 3, 10_000)
  net.producer.accept(false)
  net.producer.cut()
  await until('it drops them', () => /drops what/.test(one.said()), 10_000)
  net.producer.accept(true)
  const began = performance.now()
  assert.equal(await job, await answer(2))
  assert.ok(performance.now() - began < 20_000)
  assert.equal(await one.end(), 0)
})

row('connection slow', amqp, async (_, t) => {
  const net = await proxies(t)
  const one = await startWorker(CHAOS, '-w', '2', '-p', 'Chaos', '-q', net.urlOf(net.worker))
  for (const proxy of [net.producer, net.worker]) proxy.slow(20_000)
  const before = net.worker.connections
  assert.equal(await start({ items: 200 }, { queue: net.urlOf(net.producer), namespace }), await answer(200))
  assert.equal(net.worker.connections, before, 'no connection was lost by it')
  for (const proxy of [net.producer, net.worker]) proxy.slow(undefined)
  assert.equal(await one.end(), 0)
})

row('connection cut in the middle of a frame, again and again', amqp, async (next, t) => {
  const net = await proxies(t)
  const one = await startWorker(CHAOS, '-w', '2', '-p', 'Chaos', '-q', net.urlOf(net.worker))
  const expected = await answer(200)
  for (let run = 0; run < 3; run++) {
    const job = start({ items: 200, ms: 2 }, { queue: net.urlOf(net.producer), namespace })
    let done = 0
    for await (const _ of job.partials()) {
      if (++done % 8 === 0) net[next() < 0.5 ? 'producer' : 'worker'].cutAfter(() => Math.floor(next() * 3000))
    }
    assert.equal(await job, expected)
  }
  assert.ok(net.producer.connections > 1 && net.worker.connections > 1)
  const ending = performance.now()
  assert.equal(await one.end(), 0)
  assert.ok(performance.now() - ending < 10_000, 'the worker holds nothing that it would wait for')
})
