import yargs from 'yargs'
import { PymarError } from '../errors.ts'

const EXIT_ERROR = 1
const EXIT_USAGE = 2

/** The `pymar` command. */
export async function pymar(argv: readonly string[]): Promise<void> {
  // What follows `--` belongs to the script, whatever it looks like.
  const end = argv.indexOf('--')
  const [own, args] = end < 0 ? [argv, []] : [argv.slice(0, end), argv.slice(end + 1)]
  const parser = yargs([...own])
    .scriptName('pymar')
    .command(
      'run <file>',
      'run a script whose jobs show their progress and are cancelled by Ctrl-C',
      (command) =>
        command
          .usage('$0 run <file> [-- arg...]')
          .positional('file', { type: 'string', demandOption: true, describe: 'JavaScript or TypeScript: .ts, .mts, .js, .mjs, .cjs' })
          .epilogue('What follows -- is in process.argv of the script. PYMAR_PROGRESS=0 shows no progress.'),
      async ({ file }) => {
        const { runScript } = await import('./run-script.ts')
        await runScript(file, args)
      },
    )
    .demandCommand(1, 'Cannot run pymar without a command')
    .strict()
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new UsageError(message)
    })
  try {
    await parser.parseAsync()
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

class UsageError extends Error {}
