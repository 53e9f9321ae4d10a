import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { withoutServers } from './hand-over.ts'
import { listProcesses } from './processes.ts'
import { makeTemporaryFolder, type TemporaryFolder } from './temporary-folder.ts'

const TEST_FOLDER = fileURLToPath(new URL('..', import.meta.url))

/** A run of the harness inside a test of the harness, with a folder of its own for all that it writes. */
export class HarnessRun {
  readonly child: ChildProcess
  readonly exitCode: Promise<number | NodeJS.Signals | null>
  readonly #folder: TemporaryFolder
  stdout = ''
  stderr = ''

  /**
   * @param script Its file in test/.
   * @param env On top of this process's, of which it gets no servers and no `CI`.
   */
  constructor(script: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#folder = makeTemporaryFolder('pymar-harness')
    chmodSync(this.#folder.path, 0o755) // PostgreSQL runs as somebody else
    this.child = spawn(process.execPath, ['--import', 'tsx', `${TEST_FOLDER}${script}`, ...args], {
      env: { ...withoutServers(process.env), CI: '', TMPDIR: this.#folder.path, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.exitCode = new Promise((resolve) => this.child.once('close', (code, signal) => resolve(signal ?? code)))
  }

  /** What there is of it: its files, and the processes that use them. */
  traces(): string[] {
    const { path } = this.#folder
    const running = listProcesses().filter(({ pid }) => pid !== this.child.pid)
    const users = running.filter(({ command, cwd }) => command.includes(path) || cwd.startsWith(path))
    // tsx keeps its cache of compiled files where temporary files go.
    const files = readdirSync(path).filter((name) => !name.startsWith('tsx-'))
    return [...files, ...users.map(({ pid, command }) => `${pid} ${command}`)]
  }

  /** Resolves when it has written a text to stdout. */
  untilPrinted(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => this.stdout.includes(text) && resolve()
      this.child.stdout?.on('data', look)
      void this.exitCode.then(() => reject(new Error(`Cannot wait for "${text}": the harness ended: ${this.stderr}`)))
      look()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill()
    await this.exitCode
    this.#folder.remove()
  }
}
