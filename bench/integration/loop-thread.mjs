// What runs in a thread of the bare loop.
import { parentPort } from 'node:worker_threads'
import { loop } from './functions.mjs'

parentPort?.on('message', ({ offset, limit }) => parentPort?.postMessage(loop(offset, limit)))
