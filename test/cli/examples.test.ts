// needs: postgres, mongo
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { pymar } from '../processes.ts'
import { needs } from '../servers/needs.ts'

const FOLDER = fileURLToPath(new URL('../../examples/', import.meta.url))
const ANSWERS: Readonly<Record<string, string>> = {
  'integration.ts': '22023.7365',
  'integration-blocks.ts': '22023.7365',
  'squared-sum.ts': '333333283333335000000',
  'squared-sum-in-memory.ts': '333328333350000',
  'monte-carlo-pi.ts': '3.141121',
  'squared-sum-sql.ts': '2666686666700000',
  'words-count.ts': 'answer 11431, data 11423, does 22860, not 11431, the 11429, travel 11426',
  'weekdays-sql.ts': 'Mrs "O\'Hara" Tuesday: 4944',
}

test('every example has a known answer here', () => {
  const examples = readdirSync(FOLDER).filter((file) => file.endsWith('.ts'))
  assert.deepEqual(examples.sort(), Object.keys(ANSWERS).sort())
})

/** What they read from, by what their names say. */
const SERVERS: readonly (readonly [part: string, server: 'postgres' | 'mongo'])[] = [
  ['sql', 'postgres'],
  ['words', 'mongo'],
]

for (const [file, answer] of Object.entries(ANSWERS)) {
  const servers = SERVERS.filter(([part]) => file.includes(part)).map(([, server]) => server)
  test(`examples/${file} prints ${answer}`, needs(...servers), async () => {
    const { code, out, err } = await pymar(['run', `${FOLDER}${file}`]).ended
    assert.equal(code, 0, err)
    assert.equal(out, `${answer}\n`)
  })
}
