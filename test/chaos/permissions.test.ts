// A broker whose user may not do what it takes.
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { namespace, startWorker } from '../amqp/workers.ts'
import { until } from '../processes.ts'
import { TcpProxy } from '../tcp-proxy.ts'
import { noBroker, ownNode } from './own-node.ts'
import { answer, CHAOS, gate, row, start } from './row.ts'

/** As the errors say that it must be, at least: to configure, to write, to read. */
const ENOUGH = ['^pymar\\.', '^(pymar|amq)\\.', '^(pymar|amq)\\.'] as const
/** Tasks and answers, and what else there is to say, go over exchanges. */
const NO_EXCHANGES = ['.*', '^pymar\\.', '.*'] as const

describe('a user who may not do all', { skip: noBroker }, () => {
  const own = ownNode()
  const permit = (user: string, rights: readonly string[]) => own.node.tell('set_permissions', user, ...rights)
  const add = async (user: string) => {
    await own.node.tell('add_user', user, 'secret')
    await permit(user, ENOUGH)
    return own.node.url.replace('//', `//${user}:secret@`)
  }
  const worker = (url: string) => startWorker(CHAOS, '-w', '2', '-p', 'Chaos', '-q', url, '--namespace', namespace)

  row('a user who may do what the errors say: the job is done', {}, async () => {
    const queue = await add('enough')
    const one = await worker(queue)
    for (const quorum of [false, true]) assert.equal(await start({ items: 40 }, { queue, namespace, quorum }), await answer(40))
    assert.equal(await one.end(), 0)
  })

  row('a producer who may not publish: BROKER, at once, with what to do', {}, async () => {
    const queue = await add('producer')
    await permit('producer', NO_EXCHANGES)
    // At once: not after this time.
    const refused = start({ items: 40 }, { queue, namespace, brokerTimeoutMs: 600_000 })
    await assert.rejects(refused, { code: 'BROKER', message: /Cannot publish to broker .*ACCESS_REFUSED.*must be allowed to configure/ })
    await permit('producer', ENOUGH)
    const one = await worker(queue)
    assert.equal(await start({ items: 40 }, { queue, namespace }), await answer(40))
    assert.equal(await one.end(), 0)
  })

  row('a worker who may not publish any more says so, connects ever more seldom, and goes on when it may', {}, async (_, t) => {
    const proxy = await TcpProxy.open(await add('worker'))
    t.after(() => proxy.close())
    const one = await worker(proxy.url)
    const end = gate(t)
    const job = start({ items: 40, ms: 50, held: 20, gate: end.path }, { queue: own.node.url, namespace })
    for await (const _ of job.partials()) break
    await permit('worker', NO_EXCHANGES)
    const before = proxy.connections
    proxy.cut()
    end.open()
    await until('it says so', () => /waits for its broker: Cannot publish to broker .*ACCESS_REFUSED/.test(one.said()), 20_000)
    assert.ok(proxy.connections - before < 20, `it connected ${proxy.connections - before} times`)
    await permit('worker', ENOUGH)
    assert.equal(await job, await answer(40))
    assert.equal(await one.end(), 0)
  })
})
