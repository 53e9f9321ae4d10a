/*
 * Runs a command with the servers that it needs, and hands it their URLs in PYMAR_TEST_*:
 *
 *   node --import tsx test/with-servers.ts [--need amqp,postgres,mongo] [--own] -- COMMAND [ARG...]
 *
 *   --need  Servers to bring up. Default: all three.
 *   --own   Start servers even where some are there already, for a command that is not kind to them.
 *
 * The command's exit code is passed on; 128 + n stands for signal n. A missing server's variable is not set; with CI=true
 * a missing server is a failure, and the command is not run.
 */
import { parseArgs } from 'node:util'
import { describeMissing, handOver, isCi } from './servers/hand-over.ts'
import { maskUrl } from './servers/mask-url.ts'
import { runCommand } from './servers/run-command.ts'
import { isUp, SERVER_NAMES, type ServerName, type ServerOutcome } from './servers/server.ts'
import { parseServerNames } from './servers/server-names.ts'
import { underServers } from './servers/under-servers.ts'

const BAD_USAGE = 2

interface Wish {
  readonly names: readonly ServerName[]
  readonly own: boolean
  readonly command: string
  readonly args: readonly string[]
}

process.exit(await main())

async function main(): Promise<number> {
  const wish = readArguments()
  if (!wish) return BAD_USAGE
  return underServers(wish.names, { own: wish.own }, async (outcomes, interrupted) => {
    for (const outcome of outcomes) console.error(`servers: ${describe(outcome)}`)
    if (isCi(process.env) && !outcomes.every(isUp)) {
      console.error(`Cannot run "${wish.command}" without these servers as CI=true`)
      return 1
    }
    return runCommand(wish.command, wish.args, handOver(outcomes, process.env), interrupted)
  })
}

function describe(outcome: ServerOutcome): string {
  return isUp(outcome) ? `${outcome.name} ${outcome.how}, ${maskUrl(outcome.url)}` : describeMissing(outcome)
}

function readArguments(): Wish | undefined {
  const all = process.argv.slice(2)
  const end = all.indexOf('--')
  const [command, ...args] = end < 0 ? [] : all.slice(end + 1)
  try {
    if (!command) throw new Error('Cannot tell the command from the options: put -- before it')
    const { values } = parseArgs({
      args: all.slice(0, end),
      options: { need: { type: 'string' }, own: { type: 'boolean', default: false } },
    })
    const names = values.need === undefined ? SERVER_NAMES : parseServerNames(values.need, '--need')
    return { names, own: values.own, command, args }
  } catch (error) {
    console.error((error as Error).message)
    console.error('Usage: with-servers.ts [--need amqp,postgres,mongo] [--own] -- COMMAND [ARG...]')
    return undefined
  }
}
