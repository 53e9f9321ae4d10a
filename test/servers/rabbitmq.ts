import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { connect } from 'amqplib'
import { firstExecutable, inVersions, onPath } from './find-binary.ts'
import { freePort } from './free-port.ts'
import { describeFailure, loginFailure } from './log-in.ts'
import { type ServerKind, type StartedServer, URL_VARIABLES } from './server.ts'
import { ServerProcess } from './server-process.ts'

const LOGIN_LIMIT_MS = 3000

/** RabbitMQ. */
export const rabbitmq: ServerKind = {
  name: 'amqp',
  variable: URL_VARIABLES.amqp,
  defaultUrls: ['amqp://127.0.0.1:5672'],
  debianPackage: 'rabbitmq-server',
  composeService: 'rabbitmq',
  program: 'rabbitmq-server',
  logsIn,
  findBinary,
  start,
}

async function logsIn(url: string): Promise<void> {
  const connection = await connect(url, { noDelay: true, timeout: LOGIN_LIMIT_MS })
  connection.on('error', () => {}) // what follows is told by close()
  await connection.close()
}

/** Debian's, Red Hat's and Homebrew's own script first: what Debian has on the path changes the user and takes no settings. */
function findBinary(): string | undefined {
  return firstExecutable(['/usr/lib/rabbitmq/bin/rabbitmq-server', '/opt/homebrew/sbin/rabbitmq-server', ...onPath('rabbitmq-server')])
}

async function start(binary: string, folder: string, signal: AbortSignal): Promise<StartedServer> {
  const [port, distributionPort, epmdPort] = [await freePort(), await freePort(), await freePort()]
  const env = environment(folder, { port, distributionPort, epmdPort })
  const started: ServerProcess[] = []
  const stop = async () => {
    // The node takes its name off epmd's list, so epmd goes last.
    for (const process of started.toReversed()) await process.stop()
  }
  try {
    const epmd = new ServerProcess(findEpmd(), ['-port', String(epmdPort), '-address', '127.0.0.1'], { cwd: folder, env })
    started.push(epmd)
    await epmd.untilReady(() => refusal(epmdPort), signal)
    const node = new ServerProcess(binary, [], { cwd: folder, env })
    started.push(node)
    const url = `amqp://127.0.0.1:${port}`
    await node.untilReady(() => loginFailure(rabbitmq, url), signal)
    return { url, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/**
 * Erlang starts epmd as a daemon where none answers, and leaves it running. So there is one before it asks: a child, in
 * the foreground, on a port of its own.
 */
function findEpmd(): string {
  const roots = ['/usr/lib/erlang', '/usr/local/lib/erlang', '/usr/lib64/erlang', '/opt/homebrew/opt/erlang/lib/erlang']
  const epmd = firstExecutable([...onPath('epmd'), ...roots.flatMap((root) => [...inVersions(root, 'bin/epmd')])])
  if (!epmd) throw new Error(`Cannot start rabbitmq-server: epmd is neither on the path nor under ${roots.join(', ')}`)
  return epmd
}

interface Ports {
  readonly port: number
  readonly distributionPort: number
  readonly epmdPort: number
}

/** Everything that RabbitMQ and Erlang would read or write elsewhere points into the folder. */
function environment(folder: string, { port, distributionPort, epmdPort }: Ports): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(RABBITMQ_|ERL_|NOTIFY_SOCKET$)/.test(name))
  const config = join(folder, 'rabbitmq.conf')
  const settings = join(folder, 'rabbitmq-env.conf')
  const plugins = join(folder, 'enabled_plugins')
  writeFileSync(config, `listeners.tcp.1 = 127.0.0.1:${port}\n`)
  writeFileSync(settings, '')
  writeFileSync(plugins, '[].\n')
  return {
    ...Object.fromEntries(inherited),
    HOME: folder,
    ERL_CRASH_DUMP: join(folder, 'erl_crash.dump'),
    ERL_EPMD_PORT: String(epmdPort),
    RABBITMQ_NODENAME: `pymar-test-${randomBytes(4).toString('hex')}@localhost`,
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_CONF_ENV_FILE: settings,
    RABBITMQ_CONFIG_FILE: config,
    RABBITMQ_ADVANCED_CONFIG_FILE: join(folder, 'advanced.config'),
    RABBITMQ_ENABLED_PLUGINS_FILE: plugins,
    RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_GENERATED_CONFIG_DIR: join(folder, 'generated'),
    RABBITMQ_PID_FILE: join(folder, 'rabbitmq.pid'),
    // Listens on this machine only, and leaves the cores to the tests while it waits.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none',
    // The script becomes Erlang, instead of staying around as its parent.
    RUNNING_UNDER_SYSTEMD: 'true',
  }
}

/** Why a port of this machine does not take connections, if it does not. */
function refusal(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connectTcp(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(undefined)
    })
    socket.on('error', (error) => resolve(describeFailure(error)))
  })
}
