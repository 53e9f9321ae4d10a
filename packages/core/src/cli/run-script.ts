import { statSync } from 'node:fs'
import module from 'node:module'
import { extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { messageOf, PymarError } from '../errors.ts'
import { setHost } from '../host.ts'
import { loaderFor } from '../job/loader.ts'
import { isCommonJs, useTsx } from '../job/tsx.ts'

/** What Node calls to start a main module; loaders have relied on both for years. */
const node = module as unknown as { runMain(): void; _load(path: string, parent: null, isMain: boolean): unknown }

const EXIT_ERROR = 1
/** By custom: 128 + the number of the signal. */
const EXIT_INTERRUPTED = 130

/**
 * Runs a script in this process as if Node had been started with it: it is the main module, its arguments are in
 * `process.argv`, and TypeScript is loaded by whatever can.
 *
 * @param options.workerCommands Whether it says, at its end, how to start workers for the jobs that were in it.
 * @throws {PymarError} `INVALID_ARGUMENT` if there is no such file. Errors of the script itself end the process.
 */
export async function runScript(file: string, args: readonly string[], { workerCommands = false } = {}): Promise<void> {
  const path = resolve(file)
  checkScript(file, path)
  process.argv = [process.argv[0] as string, path, ...args]
  const interrupt = new AbortController()
  let running = 0
  const jobs = new Map<string, { readonly jobFile: string; readonly name: string }>()
  const line = showsProgress() ? new (await import('./progress-line.ts')).ProgressLine(process.stderr) : undefined
  setHost({
    signal: interrupt.signal,
    jobStarted(name) {
      running++
      const observer = line?.jobStarted(name)
      return {
        located(jobFile) {
          jobs.set(`${jobFile} ${name}`, { jobFile, name })
        },
        progress: (progress) => observer?.progress(progress),
        ended() {
          running--
          observer?.ended()
        },
      }
    },
  })
  process.on('SIGINT', () => {
    // The second one, or one that finds nothing to cancel, ends the script at once, unless the script has a say in it.
    const mine = process.listenerCount('SIGINT') === 1
    if (mine && (interrupt.signal.aborted || running === 0)) process.exit(EXIT_INTERRUPTED)
    interrupt.abort(new Error('interrupted by Ctrl-C'))
  })
  process.on('exit', () => {
    if (interrupt.signal.aborted) process.exitCode = EXIT_INTERRUPTED
  })
  if (workerCommands) {
    const { workerCommand } = await import('../transport/worker-command.ts')
    process.on('exit', () => {
      for (const { jobFile, name } of jobs.values()) console.error(`On more machines: ${workerCommand(jobFile, name, 'HOST')}`)
      if (jobs.size > 0) console.error(`and here: npx pymar run ${file} -q HOST, where HOST runs RabbitMQ`)
    })
  }
  process.on('uncaughtExceptionMonitor', report)
  await runMain(path).catch((error) => {
    // Uncaught, as what a main module throws is.
    process.nextTick(() => {
      throw error
    })
  })
}

const EXTENSIONS = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs']

function checkScript(file: string, path: string): void {
  const refuse = (found: string) => new PymarError('INVALID_ARGUMENT', `Cannot run script "${file}": ${found}`)
  const entry = statSync(path, { throwIfNoEntry: false })
  if (!entry) throw refuse(`there is no such file in ${process.cwd()}`)
  if (!entry.isFile()) throw refuse('it is no file')
  if (!EXTENSIONS.includes(extname(path))) throw refuse(`its name ends in none of ${EXTENSIONS.join(', ')}`)
}

/** Runs the main module as Node itself does, ESM or CommonJS, with tsx where that is needed. */
async function runMain(path: string): Promise<void> {
  const { href } = pathToFileURL(path)
  if ((await loaderFor(href)) === 'tsx') await useTsx(href)
  // Node 20 knows neither of these endings.
  if (path.endsWith('.mts')) await import(href)
  else if (isCommonJs(href)) node._load(path, null, true)
  else node.runMain()
}

function showsProgress(): boolean {
  return process.stderr.isTTY && process.env['PYMAR_PROGRESS'] !== '0'
}

/** An error of ours that the script lets through takes one line; anything else is printed as Node prints it. */
function report(error: unknown) {
  if (process.listenerCount('uncaughtException') > 0) return
  if (error instanceof PymarError) {
    console.error(describe(error))
    process.exit(EXIT_ERROR)
  }
  if (NO_MODULE.test(messageOf(error))) console.error(`${process.argv[1]} was taken for CommonJS: ${AS_MODULE}`)
}

/** What Node and tsx say of a file that has the syntax of an ES module and is none. */
const NO_MODULE =
  /Top-level await is currently not supported with the "cjs"|Cannot use import statement outside a module|await is only valid in/
const AS_MODULE = 'set "type": "module" in its package.json, or let its name end in .mts or .mjs'

/** The message; where user code threw, its stack too, since that is where the fault is. */
function describe({ message, code, cause }: PymarError): string {
  const stack = code === 'USER_ERROR' && cause instanceof Error ? `\n${cause.stack}` : ''
  return `${code}: ${message}${stack}`
}
