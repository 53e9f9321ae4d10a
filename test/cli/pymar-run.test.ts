import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { test } from 'node:test'
import { isAlive, pymar, slotsOf, start, until } from '../processes.ts'

for (const file of [
  'guarded.mts',
  'guarded.cts',
  'imports-typed.mjs',
  'typed/guarded.mts',
  'guarded.mjs',
  'plain/guarded.js',
  'guarded.cjs',
]) {
  test(`pymar run starts ${file} as the main module, with the arguments after --`, async () => {
    const { code, out, err } = await pymar(['run', file, '--', 'a', '--b'], {
      NODE_OPTIONS: '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON',
    }).ended
    assert.deepEqual([code, out, err], [0, 'a,--b 6\n', ''])
  })
}

test('pymar run starts TypeScript that must be compiled, and nothing keeps the script alive after its last line', async () => {
  const { code, out } = await pymar(['run', 'guarded.ts', '--', 'x']).ended
  assert.deepEqual([code, out], [0, 'x true\nUSER_ERROR\nTIMEOUT\n'])
})

const REMEDIES = [
  ['unguarded.ts', /^JOB_FILE: Cannot start a job of Sum in a slot: .* put that behind "if \(isMain\(import\.meta\)\)"\n$/],
  ['unguarded-main.ts', /^PymarError: Cannot start a job of Sum in a slot: .* put that behind "if \(isMain\(import\.meta\)\)"\n/],
  ['not-exported.ts', /^JOB_FILE: Cannot find producer "Sum" in .*not-exported\.ts: it exports unrelated; write "export class Sum" there/],
  ['broken.ts', /SyntaxError/],
  [
    'throws-user-error.mjs',
    /^USER_ERROR: Cannot compute partition 0 of 1 .*: TypeError: bad item\nTypeError: bad item\n +at .*mapFn .*throws-user-error\.mjs:/,
  ],
  ['none.ts', /^INVALID_ARGUMENT: Cannot run script "none\.ts": there is no such file in /],
  ['plain', /^INVALID_ARGUMENT: Cannot run script "plain": it is no file\n$/],
  ['plain/package.json', /: its name ends in none of \.ts, \.mts, \.cts, \.js, \.mjs, \.cjs\n$/],
] as const

for (const [file, error] of REMEDIES) {
  test(`pymar run ${file} ends with exit code 1 and says what to do`, async () => {
    const { code, out, err } = await pymar(['run', file]).ended
    assert.deepEqual([code, out], [1, ''])
    assert.match(err, error)
  })
}

test('a job file that cannot be loaded fails the job, naming the file, and leaves the next job alone', async () => {
  const { out } = await pymar(['run', 'module-option.mjs']).ended
  const lines = out.trimEnd().split('\n')
  assert.match(
    lines[0] ?? '',
    /^JOB_FILE Cannot load job file .*syntax-error\.mjs: SyntaxError: .*; run the file with node to see the line$/,
  )
  assert.match(lines[1] ?? '', /^JOB_FILE Cannot load job file .*exits\.mjs: the slot ended with exit code 4 while it imported it$/)
  assert.match(lines[2] ?? '', /^JOB_FILE Cannot load job file .*none\.mjs: Error: Cannot find module/)
  assert.match(lines[3] ?? '', /^JOB_FILE Cannot load job file .*throws\.mjs: RangeError: while it was imported$/)
  assert.equal(lines[4], '6')
})

for (const [file, flags] of [
  ['job.mjs', []],
  ['job.mts', ['--import', 'tsx']],
] as const) {
  test(`a class that is not the one that the job file exports under its name is refused, in ${file}`, async () => {
    const { out, err } = await start([...flags, `namesakes/${file}`]).ended
    const lines = out.trimEnd().split('\n')
    assert.deepEqual(lines.slice(0, 2), ['same: 2', 'reexported: 2000'], err)
    const refusal = (what: string, where: string) =>
      new RegExp(
        `: JOB_FILE Cannot use ${what} of .*${file}: the script uses another .* of that name, defined in .*${where}; give each class`,
      )
    assert.match(lines[2] ?? '', refusal('source "Items"', 'sources.mjs'))
    assert.match(lines[3] ?? '', refusal('source "Scaled"', 'sources.mjs'))
    assert.match(lines[4] ?? '', refusal('producer "Sum"', file))
    assert.match(lines[5] ?? '', refusal('producer "Sum"', file))
  })
}

test('an import that fails late, a getter that throws among the exports, and a thread that starts a job: each is told', async () => {
  const { out, err } = await start(['late-failures.mjs']).ended
  assert.equal(out, 'JOB_FILE true Error: no connection\n6\nJOB_FILE\n', err)
})

test('a job file whose import never ends holds a slot no longer than the job', async () => {
  const { code, out } = await pymar(['run', 'endless-import.mjs']).ended
  assert.equal(code, 0)
  const [first, second, took] = out.split('\n')
  assert.deepEqual([first, second], ['TIMEOUT', '6'])
  assert.ok(Number(took) < 5000, `took ${took} ms, the start of a new slot included`)
})

test('a plan that never closes delays the answer, and does not keep it back', async () => {
  const { code, out, err } = await pymar(['run', 'never-closes.mjs']).ended
  assert.deepEqual([code, out], [0, '3\n'])
  assert.match(err, /PymarWarning: Cannot close the plan of a job: it takes longer than 2000 ms; the job ends without it/)
})

test('classes are found though V8 has thrown their code away', async () => {
  const { code, out, err } = await start(['--expose-gc', '--stress-flush-code', 'flushed.mjs']).ended
  assert.deepEqual([code, out], [0, '2\n'], err)
})

test('a script ends when its last job does, whatever limits its partitions had', async () => {
  const { child, ended } = pymar(['run', 'retries.mjs'])
  await Promise.race([once(child.stdout as Readable, 'data'), ended])
  const answered = performance.now()
  const { code, out } = await ended
  assert.deepEqual([code, out], [0, '6\n'])
  assert.ok(performance.now() - answered < 3000, 'it went on until the last limit ran out')
})

test('what slots print goes to stderr', async () => {
  const { out, err } = await pymar(['run', 'prints.mjs']).ended
  assert.deepEqual([out, err], ['from the script 1\n', 'from a slot\n'])
})

test('Ctrl-C cancels the jobs of a script, whose exit code is 130', async () => {
  const { child, ended, err } = pymar(['run', 'endless.mjs'])
  await until('both slots compute', () => err().split('computing').length > 2)
  const slots = slotsOf(child.pid as number)
  assert.equal(slots.length, 2)
  child.kill('SIGINT')
  const { code, out, err: printed } = await ended
  assert.equal(code, 130)
  assert.match(printed, /CANCELLED: Cannot finish the job of Endless: it was cancelled: interrupted by Ctrl-C\n$/)
  assert.match(out, /^exit/)
  await until('its slots are gone', () => !slots.some(isAlive), 1000)
})

test('after Ctrl-C every later job of the script is cancelled too', async () => {
  const { child, ended, err } = pymar(['run', 'stubborn.mjs'])
  await until('a slot computes', () => err().includes('computing'))
  child.kill('SIGINT')
  const { code, out } = await ended
  assert.deepEqual([code, out], [130, 'CANCELLED\nCANCELLED\n'])
})

test('pymar says how it is used, with exit code 2', async () => {
  for (const [args, found] of [
    [[], 'without a command'],
    [['run'], 'without its name: pymar run FILE'],
    [['walk'], '"walk": there is no such command'],
    [['guarded.mjs'], '"guarded.mjs": there is no such command; to run a script: pymar run guarded.mjs'],
    [['run', 'guarded.mjs', '--fast'], 'Unknown argument: fast'],
    [['run', 'guarded.mjs', 'big.txt'], '"guarded.mjs" with big.txt: what the script is to get follows --'],
  ] as const) {
    const { code, out, err } = await pymar(args).ended
    assert.deepEqual([code, out], [2, ''])
    assert.ok(err.endsWith(`${found}; see pymar --help\n`), err)
  }
  const { code, out } = await pymar(['run', '--help']).ended
  assert.equal(code, 0)
  assert.match(out, /pymar run FILE \[-- ARG\.\.\.\]/)
})

test('pymar --version is the version of this package, wherever it is called', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../packages/core/package.json', import.meta.url), 'utf8'))
  assert.equal((await pymar(['--version']).ended).out, `${version}\n`)
})

test('a module that was taken for CommonJS is told with the remedy', async () => {
  const { code, err } = await pymar(['run', 'plain/commonjs/module.ts']).ended
  assert.equal(code, 1)
  assert.match(err, /module\.ts was taken for CommonJS: set "type": "module" in its package\.json, or let its name end in \.mts or \.mjs\n/)
})

test('a script runs under plain node, and under node:test with its own producer', async () => {
  const plain = await start(['guarded.mjs', 'a']).ended
  assert.deepEqual([plain.code, plain.out], [0, 'a 6\n'])
  const tested = await start(['--test', 'tested.test.mjs'], { NODE_TEST_CONTEXT: undefined }).ended
  assert.equal(tested.code, 0, tested.out + tested.err)
  assert.match(tested.out, /pass 1/)
})

test('a class that was given on the command line is refused, since slots have no file to find it in', async () => {
  const script = `const { Producer } = require('@pymar/core')
    class Sum extends Producer { static mapFn(xs) { return xs } static reduceFn() { return 0 } }
    Sum.map([1]).catch(({ code, message }) => console.log(code, message))`
  const { out } = await start(['-e', script]).ended
  assert.match(out, /^JOB_FILE Cannot find the job file of Sum: it was not defined in a file; /)
})

test('without a terminal there is no progress line', async () => {
  const { err } = await pymar(['run', 'guarded.mjs']).ended
  assert.equal(err, '')
})
