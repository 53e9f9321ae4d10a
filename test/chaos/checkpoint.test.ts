// needs: amqp
// The fault table: what a checkpoint keeps when its process ends, and what it refuses.
import assert from 'node:assert/strict'
import { appendFileSync, copyFileSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DataSourceFactory } from '@pymar/core'
import { connect } from 'amqplib'
import { namespace, startWorker } from '../amqp/workers.ts'
import { Chaos, type ChaosParams, Script } from '../jobs/chaos.mjs'
import { Planned, Sum } from '../jobs/checkpoints.mjs'
import { start as startNode, until } from '../processes.ts'
import { needs, serverUrl } from '../servers/needs.ts'
import { answer, CHAOS, gate, marks, row, start } from './row.ts'

const amqp = needs('amqp')
const broker = () => ({ queue: serverUrl('amqp'), namespace })

/** A producer in a process of its own. */
function script(params: ChaosParams, options: object, env: Record<string, string> = {}) {
  return startNode(['chaos.mjs', JSON.stringify(params), JSON.stringify(options)], { PYMAR_TEST_NAMESPACE: namespace, ...env })
}

/** @param queue One that is there. */
async function sayNonsense(queue: string): Promise<void> {
  const connection = await connect(serverUrl('amqp'), { noDelay: true })
  const channel = await connection.createConfirmChannel()
  await channel.checkQueue(queue)
  for (const nonsense of ['', 'nonsense', '\0'.repeat(100)]) channel.sendToQueue(queue, Buffer.from(nonsense), { appId: 'nobody' })
  await channel.waitForConfirms()
  await connection.close()
}

/** A file that may not grow says so as a disk does that is full. */
const LIMITED = `trap '' XFSZ; ulimit -f 1; exec "$0" "$@"`

/** It is not over before the file is full. */
const FULL = { items: 400, slow: { 399: 1000 } }

const doneIn = (err: string) => Math.max(-1, ...Array.from(err.matchAll(/done (\d+)/g), ([, done]) => Number(done)))

/** How often each partition has begun. */
function times(mark: ReturnType<typeof marks>): number[] {
  const counts = new Map<number, number>()
  for (const [index] of mark.all()) counts.set(index, (counts.get(index) ?? 0) + 1)
  return [...counts.values()]
}

row('producer killed and started again with its checkpoint, on cores: done partitions are not computed again', {}, async (next, t) => {
  const mark = marks(t)
  const checkpoint = join(mark.folder, 'checkpoint')
  const params = { items: 40, ms: 15, mark: mark.path }
  let done = 0
  for (let kills = 0; kills < 3; kills++) {
    const { child, ended, err } = script(params, { checkpoint, slots: 2 })
    const enough = Math.min(40, done + 1 + Math.floor(next() * 10))
    await until(`${enough} are done`, () => doneIn(err()) >= enough, 20_000)
    child.kill('SIGKILL')
    await ended
    done = doneIn(err())
  }
  assert.equal(await start(params, { checkpoint, slots: 2 }), await answer(40))
  const once = times(mark).filter((count) => count === 1).length
  // What ran when the process was killed began again, and the last that counted may not have reached the file.
  assert.ok(once >= 40 - 3 * 6, `${once} of 40 were computed once`)
  const { length } = mark.all()
  assert.equal(await start(params, { checkpoint, slots: 2 }), await answer(40))
  assert.equal(mark.all().length, length, 'all of it is in the file')
})

row(
  'producer killed and started again with its checkpoint, over a broker: partials that arrived in between count',
  amqp,
  async (next, t) => {
    const mark = marks(t)
    const checkpoint = join(mark.folder, 'checkpoint')
    const end = gate(t)
    const params = { items: 40, ms: 50, mark: mark.path, held: 39, gate: end.path }
    const worker = await startWorker(CHAOS, '-w', '2', '-p', 'Chaos', '-v')
    const { child, ended, err } = script(params, { checkpoint, speculation: false }, { PYMAR_QUEUE: serverUrl('amqp') })
    const enough = 1 + Math.floor(next() * 10)
    await until(`${enough} are done`, () => doneIn(err()) >= enough, 20_000)
    child.kill('SIGKILL')
    await ended
    const atKill = mark.all().length
    // Nobody waits for answers, and workers go on. What is no answer waits among them, and costs nobody anything.
    await sayNonsense(`pymar.1.${namespace}.reply.${/ job ([\w.-]+)/.exec(worker.said())?.[1]}`)
    await until('some are computed in between', () => mark.all().length >= Math.min(40, atKill + 10), 10_000)
    end.open()
    assert.equal(await start(params, { ...broker(), checkpoint }), await answer(40))
    assert.doesNotMatch(worker.said(), /drops what/)
    const counts = times(mark)
    assert.equal(counts.length, 40)
    const twice = counts.filter((count) => count > 1).length
    // Those that waited in the queue were sent again, and stopped as soon as they began.
    assert.ok(twice <= 4, `${twice} began twice`)
    assert.equal(await worker.end(), 0)
  },
)

row('a copy of the checkpoint of a job that runs: CHECKPOINT, and that job goes on', amqp, async (_, t) => {
  const mark = marks(t)
  const checkpoint = join(mark.folder, 'checkpoint')
  const params = { items: 40, ms: 500 }
  const queue = `${serverUrl('amqp').replace(/\/$/, '')}/?heartbeat=1`
  const worker = await startWorker(CHAOS, '-w', '2', '-p', 'Chaos')
  const job = start(params, { queue, namespace, checkpoint })
  for await (const _ of job.partials()) break
  copyFileSync(checkpoint, join(mark.folder, 'copy'))
  const second = start(params, { queue, namespace, checkpoint: join(mark.folder, 'copy') })
  await assert.rejects(second, { code: 'CHECKPOINT', message: /another process computes/ })
  assert.equal(await job, await answer(40))
  // Then it is over, and the copy is as good as the file.
  assert.equal(await start(params, { queue, namespace, checkpoint: join(mark.folder, 'copy') }), await answer(40))
  assert.equal(await worker.end(), 0)
})

row('a checkpoint of a job that is done gives its answer without a broker', {}, async (_, t) => {
  const checkpoint = join(marks(t).folder, 'checkpoint')
  assert.equal(await start({ items: 200 }, { checkpoint, slots: 1 }), await answer(200))
  const away = { queue: '127.0.0.1:1', brokerTimeoutMs: 1000 }
  assert.equal(await start({ items: 200 }, { checkpoint, ...away }), await answer(200))
})

row('a checkpoint that another process has open is refused; one that a killed process had is not', {}, async (_, t) => {
  const mark = marks(t)
  const checkpoint = join(mark.folder, 'checkpoint')
  const end = gate(t)
  const params = { items: 40, ms: 30, held: 20, gate: end.path }
  const { child, ended, err } = script(params, { checkpoint, slots: 1 })
  await until('it computes', () => doneIn(err()) >= 2, 20_000)
  const refused = { code: 'CHECKPOINT', message: new RegExp(`process ${child.pid} on .* has it open`) }
  await assert.rejects(start(params, { checkpoint, slots: 1 }), refused)
  child.kill('SIGKILL')
  await ended
  const own = start(params, { checkpoint, slots: 2 })
  for await (const _ of own.partials()) break
  await assert.rejects(start(params, { checkpoint, slots: 1 }), { code: 'CHECKPOINT', message: /this process has it open already/ })
  end.open()
  assert.equal(await own, await answer(40))
  assert.deepEqual(readdirSync(mark.folder), ['checkpoint'])
})

row('a job that is cancelled, then gone on with; over a broker and on cores in turn', amqp, async (_, t) => {
  const mark = marks(t)
  const checkpoint = join(mark.folder, 'checkpoint')
  const params = { items: 40, ms: 20, mark: mark.path }
  const worker = await startWorker(CHAOS, '-w', '2', '-p', 'Chaos')
  for (const options of [broker(), { slots: 2 }, { ...broker(), quorum: true }, broker()]) {
    const job = start(params, { ...options, checkpoint })
    let left = 6
    for await (const _ of job.partials()) if (times(mark).length >= 8 && --left === 0) break
    job.cancel()
    await assert.rejects(job, { code: 'CANCELLED' })
  }
  assert.equal(await start(params, { ...broker(), checkpoint }), await answer(40))
  assert.equal(await worker.end(), 0)
})

row(
  'a disk that was full, over a broker: gone on with by the same workers',
  { skip: amqp.skip || (process.platform === 'win32' && 'there is no ulimit') },
  async (_, t) => {
    const checkpoint = join(marks(t).folder, 'checkpoint')
    const worker = await startWorker(CHAOS, '-w', '2', '-p', 'Chaos')
    const args = ['-c', LIMITED, process.execPath, 'chaos.mjs', JSON.stringify(FULL), JSON.stringify({ checkpoint })]
    const limited = startNode(args, { PYMAR_QUEUE: serverUrl('amqp'), PYMAR_TEST_NAMESPACE: namespace }, 'bash')
    assert.match((await limited.ended).out, /^CHECKPOINT: Cannot write checkpoint/)
    assert.equal(await start(FULL, { ...broker(), checkpoint }), await answer(400))
    assert.equal(await worker.end(), 0)
  },
)

row('a checkpoint whose end is torn, or whose bytes were changed, keeps what is whole', {}, async (next, t) => {
  const { folder } = marks(t)
  const whole = join(folder, 'whole')
  const expected = await start({ items: 40 }, { checkpoint: whole, slots: 2 })
  const { size } = statSync(whole)
  for (let run = 0; run < 20; run++) {
    const path = join(folder, `torn-${run}`)
    copyFileSync(whole, path)
    const at = Math.floor(next() * size)
    if (run % 3 === 0) truncateSync(path, at)
    else if (run % 3 === 1) appendFileSync(path, readFileSync(whole).subarray(at))
    else writeFileSync(path, readFileSync(whole).fill(next() * 256, Math.max(16, at), at + 3))
    for (const _ of [1, 2]) assert.equal(await start({ items: 40 }, { checkpoint: path, slots: 2 }), expected, `run ${run}`)
  }
})

row('a checkpoint of another job is refused, and stays as it is', {}, async (_, t) => {
  const { folder } = marks(t)
  const checkpoint = join(folder, 'checkpoint')
  await start({ items: 40 }, { checkpoint, slots: 2 })
  const before = readFileSync(checkpoint)
  const refused = async (job: Promise<unknown>, why: RegExp) => {
    await assert.rejects(job, { code: 'CHECKPOINT', message: why })
    assert.deepEqual(readFileSync(checkpoint), before)
  }
  const slots = 2
  await refused(
    start({ items: 40, ms: 1 }, { checkpoint, slots }),
    /^Cannot go on from checkpoint ".*": it is of another job: its params.* are others; name another file/,
  )
  await refused(start({ items: 41 }, { checkpoint, slots }), /its partitions are others/)
  await refused(Sum.map([1, 2], { checkpoint, slots }), /its producer is another one/)
  class Other extends Chaos {
    static override VERSION = '2'
  }
  Object.defineProperty(Other, 'name', { value: 'Chaos' })
  await refused(Other.map(new DataSourceFactory(Script, { params: { items: 40 } }), { checkpoint, slots }), /its job file was changed/)
  const data = join(folder, 'data')
  assert.equal(await Sum.map([1, 2], { checkpoint: data, slots }), 3)
  await assert.rejects(Sum.map([1, 3], { checkpoint: data, slots }), { code: 'CHECKPOINT', message: /its data in memory is other data/ })
  assert.equal(await Sum.map([1, 2], { checkpoint: data, slots }), 3)
})

row('a checkpoint of a plan that rests on a snapshot is refused, and so is a file that is none', {}, async (_, t) => {
  const { folder } = marks(t)
  const checkpoint = join(folder, 'checkpoint')
  await assert.rejects(Sum.map(Planned, { checkpoint }), {
    code: 'CHECKPOINT',
    message: /what Planned has planned rests on something that another process does not have/,
  })
  const letter = join(folder, 'letter')
  writeFileSync(letter, 'Dear reader, ')
  await assert.rejects(start({ items: 40 }, { checkpoint: letter }), { code: 'CHECKPOINT', message: /it is no journal/ })
  assert.equal(readFileSync(letter, 'utf8'), 'Dear reader, ')
  await assert.rejects(start({ items: 40 }, { checkpoint: folder }), { code: 'CHECKPOINT', message: /EISDIR/ })
  await assert.rejects(start({ items: 40 }, { checkpoint: join(folder, 'no', 'file') }), { code: 'CHECKPOINT', message: /ENOENT/ })
  await assert.rejects(start({ items: 40 }, { checkpoint: '' }), { code: 'INVALID_ARGUMENT' })
})

row(
  'disk full for checkpoint: named, and what it holds is whole',
  { skip: process.platform === 'win32' && 'there is no ulimit' },
  async (_, t) => {
    const checkpoint = join(marks(t).folder, 'checkpoint')
    const limited = startNode(
      ['-c', LIMITED, process.execPath, 'chaos.mjs', JSON.stringify(FULL), JSON.stringify({ checkpoint, slots: 2 })],
      {},
      'bash',
    )
    const { out, code } = await limited.ended
    assert.match(out, /^CHECKPOINT: Cannot write checkpoint ".*": .*EFBIG.*; what it holds is whole: make room/)
    assert.equal(code, 1)
    assert.equal(await start(FULL, { checkpoint, slots: 2 }), await answer(400))
  },
)
