/*
 * Runs the tests, with the servers that they need:
 *
 *   npm test -- [--in FOLDER] [--timeout MS] [FILTER...]
 *
 *   FILTER     Part of a path; files that have one of them in theirs are run. Default: all.
 *   --in       Where to look for *.test.ts. Default: test.
 *   --timeout  Milliseconds that one file may take, so that what hangs ends. Default: 600,000.
 *
 * One file after the other: they share tables, and count the sessions of a server. A file names the servers that it
 * needs in its first lines: `// needs: amqp, postgres`. A test is skipped by `needs()` where one is missing; with CI=true that is a failure of the run, and so is a process that outlives the tests.
 * PYMAR_TEST_NATIVE=1 leaves the types to Node instead of tsx.
 */
import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { describeMissing, handOver, isCi, summarize, withoutServers } from './servers/hand-over.ts'
import { endLeftovers } from './servers/leftovers.ts'
import { runCommand } from './servers/run-command.ts'
import { isUp, SERVER_NAMES, type ServerOutcome } from './servers/server.ts'
import { findTestFiles, readNeeds } from './servers/test-files.ts'
import { underServers } from './servers/under-servers.ts'

process.exit(await main())

async function main(): Promise<number> {
  const { values, positionals: filters } = parseArgs({
    allowPositionals: true,
    options: { in: { type: 'string', default: 'test' }, timeout: { type: 'string', default: '600000' } },
  })
  try {
    const files = findTestFiles(values.in, filters)
    if (files.length === 0)
      throw new Error(`Cannot run tests: no *.test.ts in "${values.in}" with ${filters.join(' or ') || 'any name'} in its path`)
    const needed = new Set(files.flatMap(readNeeds))
    const node = nodeArguments()
    return await underServers(
      SERVER_NAMES.filter((name) => needed.has(name)),
      {},
      (outcomes, interrupted) =>
        runTests(
          [...node, '--test', '--test-reporter=spec', '--test-concurrency=1', `--test-timeout=${values.timeout}`, ...files],
          outcomes,
          interrupted,
        ),
    )
  } catch (error) {
    console.error((error as Error).message)
    return 1
  }
}

async function runTests(args: readonly string[], outcomes: readonly ServerOutcome[], interrupted: AbortSignal): Promise<number> {
  const missing = outcomes.flatMap((outcome) => (isUp(outcome) ? [] : [outcome]))
  if (isCi(process.env) && missing.length > 0) {
    console.error(`Cannot run the tests without a server that they need as CI=true: ${missing.map(describeMissing).join(', ')}`)
    return 1
  }
  const marker = randomUUID()
  const env: NodeJS.ProcessEnv = { ...handOver(outcomes, withoutServers(process.env)), PYMAR_TEST_RUN: marker }
  // Set inside a test, where Node would refuse to run another test runner.
  delete env['NODE_TEST_CONTEXT']
  const code = await runCommand(process.execPath, args, env, interrupted)
  const leftovers = await endLeftovers(`PYMAR_TEST_RUN=${marker}`)
  for (const { pid, command } of leftovers) console.error(`Left behind by the tests, and killed: process ${pid}: ${command}`)
  console.log(summarize(outcomes))
  return code === 0 && leftovers.length > 0 ? 1 : code
}

/** How Node gets to read TypeScript. */
function nodeArguments(): string[] {
  if (process.env['PYMAR_TEST_NATIVE'] !== '1') return ['--import', 'tsx']
  if (!(process.features as { readonly typescript?: unknown }).typescript) {
    throw new Error(`Cannot run tests with PYMAR_TEST_NATIVE=1: Node ${process.version} does not read TypeScript`)
  }
  return []
}
