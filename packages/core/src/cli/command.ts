import yargs, { type Argv } from 'yargs'

/** What was typed is no use of the command. */
export class UsageError extends Error {}

const EXIT_USAGE = 2

/** A command's parser, whose errors are {@link UsageError}s. @param lists Options with a value that may be given more than once. */
export async function parserOf(name: string, argv: readonly string[], lists: readonly string[] = []): Promise<Argv> {
  return yargs([...argv])
    .scriptName(name)
    .version(await version())
    .strictOptions()
    .exitProcess(false)
    .fail((message, error) => {
      // Its own errors, of what was typed, come as either.
      throw error && error.name !== 'YError' ? error : new UsageError(message ?? error?.message)
    })
    .check((parsed) => {
      for (const [option, value] of Object.entries(parsed)) if (option !== '_' && !lists.includes(option)) mustBeOne(option, value)
      return true
    })
}

function mustBeOne(option: string, value: unknown) {
  if (!Array.isArray(value) || value.every((one) => typeof one === 'boolean')) return
  throw new UsageError(`Cannot read -${option.length > 1 ? '-' : ''}${option}: it may be given once, and is given ${value.length} times`)
}

/** Says what was wrong with what was typed. @returns Whether it was that. */
export function toldUsage(name: string, error: unknown): boolean {
  if (!(error instanceof UsageError)) return false
  console.error(`${error.message}; see ${name} --help`)
  process.exitCode = EXIT_USAGE
  return true
}

/** Of this package, not of the one in whose folder the command is called. */
async function version(): Promise<string> {
  const { readFile } = await import('node:fs/promises')
  return JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')).version
}
