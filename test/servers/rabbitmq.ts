import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { connect } from 'amqplib'
import { firstExecutable, inVersions, onPath } from './find-binary.ts'
import { freePort } from './free-port.ts'
import { describeFailure, loginFailure } from './log-in.ts'
import { type ServerKind, type StartedServer, URL_VARIABLES } from './server.ts'
import { ServerProcess } from './server-process.ts'

const LOGIN_LIMIT_MS = 3000
const run = promisify(execFile)

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
  const node = await RabbitNode.start(binary, folder, signal)
  return { url: node.url, stop: () => node.stop() }
}

/** A node on ports of its own, whose queues are kept in its folder. */
export class RabbitNode {
  readonly url: string
  readonly #binary: string
  readonly #folder: string
  readonly #env: NodeJS.ProcessEnv
  readonly #epmdPort: number
  /** Not there where another node of the cluster has it. */
  #epmd: ServerProcess | undefined
  #server: ServerProcess | undefined

  private constructor(binary: string, folder: string, ports: Ports, settings: string) {
    this.#binary = binary
    this.#folder = folder
    this.url = `amqp://127.0.0.1:${ports.port}`
    this.#epmdPort = ports.epmdPort
    this.#env = environment(folder, ports, settings)
  }

  /** @param settings Of its application `rabbit`, as Erlang terms: some have no line in rabbitmq.conf. */
  static async start(binary: string, folder: string, signal: AbortSignal, settings = ''): Promise<RabbitNode> {
    const ports = { port: await freePort(), distributionPort: await freePort(), epmdPort: await freePort() }
    const node = new RabbitNode(binary, folder, ports, settings)
    try {
      const args = ['-port', String(ports.epmdPort), '-address', '127.0.0.1']
      node.#epmd = new ServerProcess(findEpmd(), args, { cwd: folder, env: node.#env })
      await node.#epmd.untilReady(() => refusal(ports.epmdPort), signal)
      await node.up(signal)
      return node
    } catch (error) {
      await node.stop()
      throw error
    }
  }

  /** Another node, in one cluster with this one, which outlives it. @param folder Its own. */
  async startNext(folder: string, signal: AbortSignal): Promise<RabbitNode> {
    const ports = { port: await freePort(), distributionPort: await freePort(), epmdPort: this.#epmdPort }
    const node = new RabbitNode(this.#binary, folder, ports, '')
    // There is the cookie by which nodes know each other.
    node.#env['HOME'] = this.#folder
    try {
      await node.up(signal)
      await node.tell('stop_app')
      await node.tell('join_cluster', String(this.#env['RABBITMQ_NODENAME']))
      await node.tell('start_app')
      return node
    } catch (error) {
      await node.stop()
      throw error
    }
  }

  /** Starts it again. */
  async up(signal: AbortSignal): Promise<void> {
    this.#server = new ServerProcess(this.#binary, [], { cwd: this.#folder, env: this.#env })
    await this.#server.untilReady(() => loginFailure(rabbitmq, this.url), signal)
  }

  /** Ends it in order, or as a fault would. */
  async down(how: 'stop' | 'kill'): Promise<void> {
    await this.#server?.[how]()
  }

  /** What a command of rabbitmqctl says that lists something, a row a line. */
  ask(...args: readonly string[]): Promise<string[]> {
    return this.#control('--no-table-headers', ...args)
  }

  /** Has rabbitmqctl do something. */
  async tell(...args: readonly string[]): Promise<void> {
    await this.#control(...args)
  }

  async #control(...args: readonly string[]): Promise<string[]> {
    const ctl = firstExecutable([join(dirname(this.#binary), 'rabbitmqctl'), ...onPath('rabbitmqctl')])
    if (!ctl) throw new Error('Cannot ask a broker: there is no rabbitmqctl beside rabbitmq-server')
    const { stdout } = await run(ctl, ['-q', ...args], { cwd: this.#folder, env: this.#env })
    return stdout.split('\n').filter((line) => line !== '')
  }

  async stop(): Promise<void> {
    await this.down('stop')
    // The node takes its name off epmd's list, so epmd goes last.
    await this.#epmd?.stop()
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

/** Everything that RabbitMQ and Erlang would read or write elsewhere points into the folder. @param more Settings of its application `rabbit`, as Erlang terms. */
function environment(folder: string, { port, distributionPort, epmdPort }: Ports, more: string): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(RABBITMQ_|ERL_|NOTIFY_SOCKET$)/.test(name))
  const config = join(folder, 'rabbitmq.conf')
  const settings = join(folder, 'rabbitmq-env.conf')
  const advanced = join(folder, 'advanced.config')
  const plugins = join(folder, 'enabled_plugins')
  writeFileSync(config, `listeners.tcp.1 = 127.0.0.1:${port}\n`)
  writeFileSync(settings, '')
  writeFileSync(advanced, `[{rabbit, [${more}]}].\n`)
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
    RABBITMQ_ADVANCED_CONFIG_FILE: advanced,
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
