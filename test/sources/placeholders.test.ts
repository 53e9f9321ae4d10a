import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fillTemplate, readTemplate } from '../../packages/sql-source/dist/placeholders.js'

const filled = (sql: string) => fillTemplate(readTemplate(sql), (number) => `<${number}>`)

test('readTemplate() finds parameters where they are parameters', () => {
  for (const [sql, expected] of [
    ['a = $1', 'a = <1>'],
    ['$2 and $1 or $2', '<2> and <1> or <2>'],
    ['a=$1and b=$12', 'a=<1>and b=<12>'],
    ['$1::int[]', '<1>::int[]'],
  ]) {
    assert.equal(filled(sql as string), expected)
  }
})

test('readTemplate() leaves strings, quoted names, comments and names alone', () => {
  for (const sql of [
    "'$1'",
    "'it''s $1'",
    "e'\\'$1'",
    "E'a\\\\' || '$1'",
    "U&'$1'",
    '"$1"',
    '"a""$1"',
    '-- $1',
    '/* $1 */',
    '/* /* */ $1 */',
    '$$ $1 $$',
    '$a$ $1 $$ $1 $a$',
    'col$1',
    'ä$1',
    "'never ended $1",
    '/* never ended $1',
    '$$ never ended $1',
  ]) {
    assert.equal(filled(sql), sql)
    assert.equal(filled(`${sql}\n`), `${sql}\n`)
  }
  assert.equal(filled("'a' -- it's\n || $1"), "'a' -- it's\n || <1>")
  assert.equal(filled("namee'\\' || $1 --'"), "namee'\\' || <1> --'")
})

test('readTemplate() loses nothing of any text', () => {
  const piece = fc.constantFrom("'", '"', '$1', '$', '$$', '$a$', '--', '/*', '*/', '\\', 'e', 'E', 'a', ' ', '\n')
  const property = fc.property(fc.array(piece), (pieces) => {
    const sql = pieces.join('')
    assert.equal(
      fillTemplate(readTemplate(sql), (number) => `$${number}`),
      sql,
    )
  })
  fc.assert(property, { numRuns: 500 })
})
