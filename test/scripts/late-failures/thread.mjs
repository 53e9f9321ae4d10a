// A script without isMain whose job is in a thread: each slot would start another one.
import { once } from 'node:events'
import { isMainThread, Worker } from 'node:worker_threads'
import { Sum } from '../guarded.mjs'

export { Sum }

if (isMainThread) await once(new Worker(new URL(import.meta.url)), 'exit')
else await Sum.map([1, 2, 3])
