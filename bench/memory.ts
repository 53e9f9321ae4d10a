import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { mib, type Row } from './table.ts'

const run = promisify(execFile)
const SLOTS = 2
const PROBE = fileURLToPath(new URL('tiny/probe.mjs', import.meta.url))

/** What `tiny/probe.mjs` prints, in bytes. */
type Memory = Record<'live' | 'after' | 'rss' | 'slotRss', number>

const MEASURED: readonly [figure: keyof Memory, name: string][] = [
  ['live', "producer's heap in use during the job, at most"],
  ['after', "producer's heap in use after the job"],
  ['rss', "producer's peak RSS"],
  ['slotRss', "a slot's peak RSS"],
]

/** Memory of a job of few partitions beside one of a million, each in a process of its own. */
export async function memory(quick: boolean): Promise<Row[]> {
  const counts = [1e3, quick ? 1e5 : 1e6] as const
  const [few, many] = [await probe(counts[0]), await probe(counts[1])]
  return MEASURED.map(([figure, name]) => ({
    what: `memory: ${name}, ${counts.map((count) => `10^${Math.log10(count)}`).join(' and ')} partitions`,
    value: `${mib(few[figure])}, ${mib(many[figure])}`,
    ...(Number.isFinite(many[figure]) && { ratio: many[figure] / few[figure] }),
  }))
}

async function probe(partitions: number): Promise<Memory> {
  const { stdout } = await run(process.execPath, ['--expose-gc', PROBE, String(partitions), String(SLOTS)])
  return JSON.parse(stdout) as Memory
}
