import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MongoClient } from 'mongodb'
import { firstExecutable, onPath } from './find-binary.ts'
import { freePort } from './free-port.ts'
import { loginFailure } from './log-in.ts'
import { type ServerKind, type StartedServer, URL_VARIABLES } from './server.ts'
import { ServerProcess } from './server-process.ts'

const LOGIN_LIMIT_MS = 2000

/** MongoDB. Debian has no package of it. */
export const mongo: ServerKind = {
  name: 'mongo',
  variable: URL_VARIABLES.mongo,
  defaultUrls: ['mongodb://127.0.0.1:27017'],
  composeService: 'mongo',
  program: 'mongod',
  logsIn,
  findBinary: () => firstExecutable(onPath('mongod')),
  start,
  download,
  // FerretDB, which speaks MongoDB's protocol, on SQLite in memory.
  substitute: { module: fileURLToPath(new URL('ferretdb/', import.meta.url)), start: startFerretDb },
}

async function logsIn(url: string): Promise<void> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: LOGIN_LIMIT_MS, connectTimeoutMS: LOGIN_LIMIT_MS })
  try {
    // A server that wants a password answers a ping without one, but not this.
    await client.db('admin').command({ listDatabases: 1, nameOnly: true })
  } finally {
    await client.close()
  }
}

/** As mongodb-memory-server does, with its environment variables. */
async function download(): Promise<string> {
  const { MongoBinary } = await import('mongodb-memory-server-core')
  return MongoBinary.getPath()
}

function start(binary: string, folder: string, signal: AbortSignal): Promise<StartedServer> {
  return startMongod(binary, folder, [], (url) => loginFailure(mongo, url), signal)
}

/**
 * Starts a mongod.
 *
 * @param failure Why it is not ready, or undefined.
 */
export async function startMongod(
  binary: string,
  folder: string,
  args: readonly string[],
  failure: (url: string) => Promise<string | undefined>,
  signal: AbortSignal,
): Promise<StartedServer> {
  const data = join(folder, 'data')
  mkdirSync(data)
  const port = await freePort()
  const all = ['--dbpath', data, '--port', String(port), '--bind_ip', '127.0.0.1', '--nounixsocket', ...args]
  return startOn(port, binary, all, folder, failure, signal)
}

async function startFerretDb(binary: string, folder: string, signal: AbortSignal): Promise<StartedServer> {
  const port = await freePort()
  return startOn(port, binary, [`127.0.0.1:${port}`, 'file:./?mode=memory'], folder, (url) => loginFailure(mongo, url), signal)
}

async function startOn(
  port: number,
  binary: string,
  args: readonly string[],
  folder: string,
  failure: (url: string) => Promise<string | undefined>,
  signal: AbortSignal,
): Promise<StartedServer> {
  const server = new ServerProcess(binary, args, { cwd: folder, env: { ...process.env, HOME: folder } })
  try {
    const url = `mongodb://127.0.0.1:${port}`
    await server.untilReady(() => failure(url), signal)
    return { url, stop: () => server.stop() }
  } catch (error) {
    await server.stop()
    throw error
  }
}
