import { PymarError } from '../errors.ts'

const EXIT_ERROR = 1
const EXIT_USAGE = 2

/** The `pymar` command. */
export async function pymar(argv: readonly string[]): Promise<void> {
  // What follows `--` belongs to the script, whatever it looks like.
  const end = argv.indexOf('--')
  const [own, args] = end < 0 ? [argv, []] : [argv.slice(0, end), argv.slice(end + 1)]
  try {
    const [command, file] = own
    // The plain case needs no parser, whose loading takes longer than that of all else.
    if (own.length === 2 && command === 'run' && !file?.startsWith('-')) await run(file as string, args)
    else await parse(own, args)
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${error.message}; see pymar --help`)
      process.exitCode = EXIT_USAGE
    } else {
      console.error(error instanceof PymarError ? `${error.code}: ${error.message}` : error)
      process.exitCode = EXIT_ERROR
    }
  }
}

async function parse(own: readonly string[], args: readonly string[]): Promise<void> {
  const { default: yargs } = await import('yargs')
  await yargs([...own])
    .scriptName('pymar')
    .version(await version())
    .command(
      'run [file]',
      'run a script whose jobs show their progress and are cancelled by Ctrl-C',
      (command) =>
        command
          .usage('$0 run FILE [-- ARG...]')
          .positional('file', { type: 'string', describe: 'JavaScript or TypeScript: .ts, .mts, .js, .mjs, .cjs' })
          .epilogue('What follows -- is in process.argv of the script. PYMAR_PROGRESS=0 shows no progress.'),
      ({ file, _: [, ...others] }) => {
        if (file === undefined) throw new UsageError('Cannot run a script without its name: pymar run FILE')
        if (others.length === 0) return run(file, args)
        throw new UsageError(`Cannot run "${file}" with ${others.join(' ')}: what the script is to get follows --`)
      },
    )
    .command('$0', false, {}, ({ _: [word] }) => {
      throw new UsageError(
        word === undefined ? 'Cannot run pymar without a command' : `Cannot run command "${word}": there is no such command`,
      )
    })
    .strictOptions()
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new UsageError(message)
    })
    .parseAsync()
}

/** Of this package, not of the one in whose folder the command is called. */
async function version(): Promise<string> {
  const { readFile } = await import('node:fs/promises')
  return JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')).version
}

async function run(file: string, args: readonly string[]): Promise<void> {
  const { runScript } = await import('./run-script.ts')
  await runScript(file, args)
}

class UsageError extends Error {}
