// A job file that changes while the script runs, and a slot that is lost then.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const folder = mkdtempSync(join(fileURLToPath(new URL('.', import.meta.url)), '.changed-'))
const file = join(folder, 'job.mjs')
const write = (factor) =>
  writeFileSync(
    file,
    `import { Producer } from '@pymar/core'
    export class Sum extends Producer {
      static WORKERS_NUMBER = 4
      static mapFn(xs) { return Array.from(xs, (x) => x === 'die' ? process.exit(3) : x * ${factor}) }
      static reduceFn(values) { let sum = 0; for (const value of values) sum += value; return sum }
    }`,
  )
try {
  write(1)
  const { Sum } = await import(pathToFileURL(file).href)
  const producer = new Sum({ slots: 2 })
  console.log(await producer.map([1, 1, 1, 1]))
  write(1000)
  console.log(await producer.map([1, 'die', 1, 1]).catch(({ code, message }) => `${code} ${message}`))
  await producer.close()
} finally {
  rmSync(folder, { recursive: true })
}
