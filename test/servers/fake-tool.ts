import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { makeTemporaryFolder } from './temporary-folder.ts'

/** A shell script in place of a tool that changes the machine, first on the path of this process until disposed. */
export class FakeTool {
  readonly #folder = makeTemporaryFolder('pymar-fake')
  readonly #path = process.env['PATH'] ?? ''

  /** @param script What it does with its arguments, after it has written them down. */
  constructor(name: string, script: string) {
    const text = `#!/bin/sh\necho "$*" >> ${this.#log}\n${script}\n`
    writeFileSync(join(this.#folder.path, name), text, { mode: 0o755 })
    process.env['PATH'] = `${this.#folder.path}${delimiter}${this.#path}`
  }

  /** The arguments of each call. */
  get calls(): string[] {
    return existsSync(this.#log) ? readFileSync(this.#log, 'utf8').trimEnd().split('\n') : []
  }

  get #log(): string {
    return join(this.#folder.path, 'calls')
  }

  [Symbol.dispose](): void {
    process.env['PATH'] = this.#path
    this.#folder.remove()
  }
}
