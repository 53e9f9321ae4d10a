#!/usr/bin/env node
import { pymar } from '../dist/cli/pymar.js'

await pymar(process.argv.slice(2))
