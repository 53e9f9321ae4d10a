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
    .command(
      'run <file>',
      'run a script whose jobs show their progress and are cancelled by Ctrl-C',
      (command) =>
        command
          .usage('$0 run <file> [-- arg...]')
          .positional('file', { type: 'string', demandOption: true, describe: 'JavaScript or TypeScript: .ts, .mts, .js, .mjs, .cjs' })
          .epilogue('What follows -- is in process.argv of the script. PYMAR_PROGRESS=0 shows no progress.'),
      ({ file }) => run(file, args),
    )
    .demandCommand(1, 'Cannot run pymar without a command')
    .strict()
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new UsageError(message)
    })
    .parseAsync()
}

async function run(file: string, args: readonly string[]): Promise<void> {
  const { runScript } = await import('./run-script.ts')
  await runScript(file, args)
}

class UsageError extends Error {}
