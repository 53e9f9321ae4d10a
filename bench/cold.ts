import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { interleave, median, ratio } from './measure.ts'
import { ms, type Row } from './table.ts'

const run = promisify(execFile)
const TARGET = 1.25
/** The integral of exp over [1, 10], by nine million points. */
const ANSWER = '22023.7365\n'

/** Whole processes, from their start to their end: what somebody waits for who runs a script once. */
export async function cold(quick: boolean): Promise<Row[]> {
  const pymar = pathOf('../packages/core/bin/pymar.js')
  const commands: [name: string, args: string[], expected: string, target?: number][] = [
    ['node -e 0', ['-e', '0'], ''],
    ['node threads.mjs, by hand', [pathOf('integration/threads.mjs')], ANSWER],
    ['node job.mjs', [pathOf('integration/job.mjs')], ANSWER, TARGET],
    ['pymar run job.mjs', [pymar, 'run', pathOf('integration/job.mjs')], ANSWER],
    ['pymar run job.ts', [pymar, 'run', pathOf('integration/job.ts')], ANSWER],
  ]
  const times = await interleave(
    commands.map(([name, args, expected]) => ({ name, run: () => expectOutput(args, expected) })),
    quick ? { warmups: 1, measured: 5 } : { warmups: 2, measured: 21 },
  )
  const [, byHand] = times
  return commands.map(([name, , , target], at) => ({
    what: `cold: ${name}`,
    value: ms(median(times[at] ?? [])),
    ...(at > 1 && { ratio: ratio(times[at], byHand) }),
    ...(target !== undefined && { target }),
  }))
}

/**
 * The commands start as a user's would: nothing of how this process was started is passed on, and no certificates of this
 * machine's own, which Node 20 parses before anything else: 33 ms of each process, three of them with two slots.
 */
async function expectOutput(args: string[], expected: string) {
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env
  const { stdout } = await run(process.execPath, args, { env })
  if (stdout !== expected) throw new Error(`node ${args.join(' ')} printed ${JSON.stringify(stdout)}, not ${JSON.stringify(expected)}`)
}

function pathOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url))
}
