// needs: postgres
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
  'weekdays-sql.ts': 'Mrs "O\'Hara" Tuesday: 4944',
}

test('every example has a known answer here', () => {
  const examples = readdirSync(FOLDER).filter((file) => file.endsWith('.ts'))
  assert.deepEqual(examples.sort(), Object.keys(ANSWERS).sort())
})

for (const [file, answer] of Object.entries(ANSWERS)) {
  test(`examples/${file} prints ${answer}`, file.includes('sql') ? needs('postgres') : {}, async () => {
    const { code, out, err } = await pymar(['run', `${FOLDER}${file}`]).ended
    assert.equal(code, 0, err)
    assert.equal(out, `${answer}\n`)
  })
}
