// The fault table: user code that takes longer than a broker waits for its acknowledgement.
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { fileURLToPath } from 'node:url'
import { namespace, startWorker } from '../amqp/workers.ts'
import { SlowReduce } from '../jobs/chaos.mjs'
import { Long } from '../jobs/long.mjs'
import { noBroker, ownNode } from './own-node.ts'
import { answer, CHAOS, marks, row, start } from './row.ts'

const LONG = fileURLToPath(new URL('../jobs/long.mjs', import.meta.url))
const ACK_TIMEOUT_MS = 2000

describe('a broker that waits for 2 s, and looks often', { skip: noBroker }, () => {
  const own = ownNode(`{consumer_timeout, ${ACK_TIMEOUT_MS}}, {channel_tick_interval, 1000}`)
  const options = () => ({ queue: own.node.url, namespace })

  row('channel closed by the ack timeout: the partition goes on where it is, once', {}, async () => {
    const one = await startWorker(LONG, '-w', '2', '-q', own.node.url, '-v')
    assert.equal(await Long.map([5002], { ...options(), timeoutMs: 60_000 }), '5002 in attempt 1')
    assert.equal(await one.end(), 0)
    assert.match(one.said(), /takes partition 0 .*connection to the broker is lost.*takes partition 0 /s)
    assert.equal(one.said().split('waits 5002 ms').length - 1, 1)
  })

  row('user code longer than heartbeat and ack timeout: no connection is lost by it, nothing is done twice', {}, async (_, t) => {
    const mark = marks(t)
    const url = `${own.node.url}/?heartbeat=2`
    const one = await startWorker(CHAOS, '-w', '2', '-q', url, '-v', '--ack-timeout', String(ACK_TIMEOUT_MS))
    const long = 5 * ACK_TIMEOUT_MS
    assert.equal(await start({ items: 2, ms: long, mark: mark.path }, { queue: url, namespace }), await answer(2))
    assert.deepEqual(
      mark
        .all()
        .map(([index, attempt]) => `${index} ${attempt}`)
        .sort(),
      ['0 1', '1 1'],
    )
    // The last reduceFn runs in a slot of this process's machine.
    assert.equal(await SlowReduce.map([1, 2, 3, long], { queue: url, namespace, timeoutMs: 60_000 }), long)
    assert.equal(await one.end(), 0)
    assert.match(one.said(), /acknowledges 1 partition early/)
    assert.doesNotMatch(one.said(), /lost/)
  })
})
