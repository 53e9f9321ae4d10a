// Brokers that allow less than others do.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe } from 'node:test'
import { fileURLToPath } from 'node:url'
import { DataSourceFactory } from '@pymar/core'
import { namespace, startWorker } from '../amqp/workers.ts'
import { Picked, Together } from '../jobs/large.mjs'
import { noBroker, ownNode } from './own-node.ts'
import { row, start } from './row.ts'

const LARGE = fileURLToPath(new URL('../jobs/large.mjs', import.meta.url))

describe('a broker that takes small messages alone', { skip: noBroker }, () => {
  const own = ownNode('{max_message_size, 100000}')

  row('max_message_size: what is larger goes in smaller pieces', {}, async () => {
    const options = { queue: own.node.url, namespace, timeoutMs: 60_000 }
    const one = await startWorker(LARGE, '-w', '2', '-p', 'Together', '-q', own.node.url, '--namespace', namespace)
    const bytes = randomBytes(3_000_000)
    for (let times = 0; times < 2; times++) {
      const all = await Together.map(new DataSourceFactory(Picked, { params: { bytes } }), options)
      assert.ok(bytes.equals(all))
    }
    assert.equal(await one.end(), 0)
  })
})

describe('a broker that allows few channels', { skip: noBroker }, () => {
  const own = ownNode('{channel_max, 15}')

  row('channel_max: BROKER, with what is needed', {}, async () => {
    const job = start({ items: 40 }, { queue: own.node.url, namespace, brokerTimeoutMs: 5000 })
    await assert.rejects(job, { code: 'BROKER', message: /it allows 15 channels, and 16 are needed: raise its channel_max/ })
  })
})
