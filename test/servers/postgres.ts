import { chownSync, existsSync, realpathSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { firstExecutable, inVersions, onPath } from './find-binary.ts'
import { freePort } from './free-port.ts'
import { loginFailure } from './log-in.ts'
import { runTool } from './run-tool.ts'
import { type ServerKind, type StartedServer, URL_VARIABLES } from './server.ts'
import { ServerProcess, type ServerProcessOptions } from './server-process.ts'

const LOGIN_LIMIT_MS = 3000

/** PostgreSQL. */
export const postgres: ServerKind = {
  name: 'postgres',
  variable: URL_VARIABLES.postgres,
  defaultUrls: [
    ...currentUser().map((user) => `postgres://${encodeURIComponent(user)}@127.0.0.1:5432/postgres`),
    'postgres://postgres@127.0.0.1:5432/postgres',
    'postgres://postgres:postgres@127.0.0.1:5432/postgres',
  ],
  debianPackage: 'postgresql',
  composeService: 'postgres',
  program: 'postgres',
  logsIn,
  findBinary,
  start,
}

async function logsIn(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: LOGIN_LIMIT_MS })
  client.on('error', () => {}) // what follows is told by end()
  await client.connect()
  await client.end()
}

/** Also where no path leads: Debian has a folder per version. What it links to, since initdb is beside that. */
function findBinary(): string | undefined {
  const servers = [...onPath('postgres'), ...inVersions('/usr/lib/postgresql', 'bin/postgres')].filter((path) => existsSync(path))
  return firstExecutable(servers.map((path) => realpathSync(path)).filter((path) => existsSync(initdbOf(path))))
}

function initdbOf(binary: string): string {
  return join(dirname(binary), 'initdb')
}

async function start(binary: string, folder: string, signal: AbortSignal): Promise<StartedServer> {
  await createCluster(binary, folder)
  signal.throwIfAborted()
  return runCluster(binary, folder, [], signal)
}

/** Where a server of ours has its data. */
export function dataOf(folder: string): string {
  return join(folder, 'data')
}

/** Makes the data of a new server. Not interrupted: it takes a second, and what it starts would outlive it. */
async function createCluster(binary: string, folder: string): Promise<void> {
  const initdb = initdbOf(binary)
  const args = ['-D', dataOf(folder), '--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync']
  const created = await runTool(initdb, args, await serverOptions(folder))
  if (!created.ok) throw new Error(`Cannot create a cluster with ${initdb}: ${created.tail}`)
}

/**
 * Runs a server on the data that a folder holds.
 *
 * @param settings Such as `wal_level=replica`.
 * @returns The server, once it logs in.
 */
export async function runCluster(binary: string, folder: string, settings: readonly string[], signal: AbortSignal): Promise<StartedServer> {
  const port = await freePort()
  const all = ['listen_addresses=127.0.0.1', 'fsync=off', 'synchronous_commit=off', 'full_page_writes=off', ...settings]
  const args = ['-D', dataOf(folder), '-p', String(port), '-k', folder, ...all.flatMap((setting) => ['-c', setting])]
  // SIGINT: it ends the sessions of clients that forgot to; SIGTERM would wait for them.
  const server = new ServerProcess(binary, args, { ...(await serverOptions(folder)), stopSignal: 'SIGINT' })
  try {
    const url = `postgres://postgres@127.0.0.1:${port}/postgres`
    await server.untilReady(() => loginFailure(postgres, url), signal)
    return { url, stop: () => server.stop() }
  } catch (error) {
    await server.stop()
    throw error
  }
}

/** How its programs are run, by a user who may and whose folder it is. */
export async function serverOptions(folder: string): Promise<ServerProcessOptions> {
  const user = await unprivilegedUser()
  if (user) chownSync(folder, user.uid, user.gid)
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('PG'))
  return { ...user, cwd: folder, env: { ...Object.fromEntries(inherited), HOME: folder, LC_ALL: 'C' } }
}

/** Whom to run it as, where this is root: PostgreSQL refuses root. Undefined where it can run as this user. */
async function unprivilegedUser(): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = await Promise.all([runTool('id', ['-u', name]), runTool('id', ['-g', name])])
    if (uid.ok && gid.ok) return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
  }
  throw new Error('Cannot start postgres as root: it refuses root, and there is neither a user "postgres" nor "nobody"')
}

/** None in a container whose user has no name. */
function currentUser(): string[] {
  try {
    return [userInfo().username]
  } catch {
    return []
  }
}
