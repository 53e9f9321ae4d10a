import { existsSync } from 'node:fs'
import { PymarError } from '../errors.ts'

const EXIT_ERROR = 1

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
    const command = await import('./command.ts')
    if (command.toldUsage('pymar', error)) return
    console.error(error instanceof PymarError ? `${error.code}: ${error.message}` : error)
    process.exitCode = EXIT_ERROR
  }
}

async function parse(own: readonly string[], args: readonly string[]): Promise<void> {
  const { parserOf, UsageError } = await import('./command.ts')
  const parser = await parserOf('pymar', own)
  await parser
    .command(
      'run [file]',
      'run a script whose jobs show their progress and are cancelled by Ctrl-C',
      (command) =>
        command
          .usage('$0 run FILE [-- ARG...]')
          .positional('file', { type: 'string', describe: 'JavaScript or TypeScript: .ts, .mts, .js, .mjs, .cjs' })
          .option('q', {
            alias: 'queue',
            type: 'string',
            nargs: 1,
            describe: 'broker whose workers compute; PYMAR_QUEUE, else this machine',
          })
          .option('worker-command', { type: 'boolean', describe: 'say at the end how to start workers for its jobs on other machines' })
          .epilogue('What follows -- is in process.argv of the script. PYMAR_PROGRESS=0 shows no progress.'),
      ({ file, q, workerCommand = false, _: [, ...others] }) => {
        if (file === undefined) throw new UsageError('Cannot run a script without its name: pymar run FILE')
        if (q !== undefined) process.env['PYMAR_QUEUE'] = q
        if (others.length === 0) return run(file, args, { workerCommands: workerCommand })
        throw new UsageError(`Cannot run "${file}" with ${others.join(' ')}: what the script is to get follows --`)
      },
    )
    .command('$0', false, {}, ({ _: [word] }) => {
      if (word === undefined) throw new UsageError('Cannot run pymar without a command')
      const advice = existsSync(String(word)) ? `; to run a script: pymar run ${word}` : ''
      throw new UsageError(`Cannot run command "${word}": there is no such command${advice}`)
    })
    .parseAsync()
}

async function run(file: string, args: readonly string[], options = {}): Promise<void> {
  const { runScript } = await import('./run-script.ts')
  await runScript(file, args, options)
}
