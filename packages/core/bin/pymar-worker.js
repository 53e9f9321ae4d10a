#!/usr/bin/env node
import { pymarWorker } from '../dist/cli/pymar-worker.js'

await pymarWorker(process.argv.slice(2))
