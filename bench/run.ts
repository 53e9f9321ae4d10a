import { writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { blocks } from './blocks.ts'
import { broker } from './broker.ts'
import { cold } from './cold.ts'
import { memory } from './memory.ts'
import { mongo } from './mongo.ts'
import { sql } from './sql.ts'
import { type Row, table } from './table.ts'
import { tiny } from './tiny.ts'
import { warm } from './warm.ts'

/*
 * npm run bench                  all cases; writes RESULTS.md
 * npm run bench -- --quick       fewer rounds
 * npm run bench -- cold memory   these cases
 *
 * The cases `broker`, `sql` and `mongo` use the servers in PYMAR_TEST_AMQP, PYMAR_TEST_POSTGRES and PYMAR_TEST_MONGO, which
 * `npm run bench` brings up.
 */

const CASES: Readonly<Record<string, (quick: boolean) => Promise<Row[]>>> = { warm, blocks, cold, tiny, memory, broker, sql, mongo }

const args = process.argv.slice(2)
const quick = args.includes('--quick')
const asked = args.filter((arg) => arg !== '--quick')
const unknown = asked.filter((name) => !(name in CASES))
if (unknown.length > 0) {
  console.error(`Cannot run ${unknown.join(', ')}: the cases are ${Object.keys(CASES).join(', ')}`)
  process.exit(2)
}

const rows: Row[] = []
for (const [name, measure] of Object.entries(CASES)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  console.error(`${name} ...`)
  rows.push(...(await measure(quick)))
}
const result = `Node ${process.version}, ${process.platform} ${process.arch}, ${availableParallelism()} cores\n\n${table(rows)}\n`
console.log(`\n${result}`)
if (!quick && asked.length === 0) await writeFile(new URL('RESULTS.md', import.meta.url), report(result))

function report(measured: string): string {
  return `# Results

Written by \`npm run bench\`. A ratio is the median over the rounds of one time by that of its peer in the same round; the
contestants take turns within each round. Cold processes, the peer's too, start without \`NODE_EXTRA_CA_CERTS\`, which Node 20 reads at
each start: where it is set, a process more costs more.

${measured}`
}
