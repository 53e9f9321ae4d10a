import { SlotPool } from '../../packages/core/dist/slot/pool.js'

const pool = new SlotPool({ slots: 1, startLimitMs: 300 })
const file = { url: new URL('guarded.mjs', import.meta.url).href, loader: 'node', code: '' }
const lease = pool.lease(file, { id: 'job', partitions: 1, producer: { name: 'Sum' } })
const alive = setInterval(() => {}, 1000)
lease.listen({
  broken({ code, message }) {
    console.log(code, message)
    clearInterval(alive)
  },
})
lease.send('task', { kind: 'reduction', partials: [] })
