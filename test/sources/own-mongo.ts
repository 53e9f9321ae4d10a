// Servers of a test's own, for what cannot be tried on one that others use.
import { MongoClient } from 'mongodb'
import { describeFailure } from '../servers/log-in.ts'
import { mongo, startMongod } from '../servers/mongo.ts'
import type { StartedServer } from '../servers/server.ts'
import { makeTemporaryFolder } from '../servers/temporary-folder.ts'

const binary = mongo.findBinary()

/** Why there cannot be any, or false. */
export const noMongod: string | false = !binary && 'no mongod on this machine'

/** A replica set of one member. */
export function startReplicaSet(...args: string[]): Promise<StartedServer> {
  return start(['--replSet', 'rs', ...args], async (url) => {
    const client = new MongoClient(url, { directConnection: true, serverSelectionTimeoutMS: 3000 })
    try {
      const admin = client.db('admin')
      const config = { _id: 'rs', members: [{ _id: 0, host: new URL(url).host }] }
      // It is told so once.
      await admin.command({ replSetInitiate: config }).catch(() => {})
      const { isWritablePrimary } = await admin.command({ hello: 1 })
      return isWritablePrimary ? undefined : 'it has no primary yet'
    } catch (error) {
      return describeFailure(error)
    } finally {
      await client.close()
    }
  })
}

/** A server that wants a login: that of `root`, with this password. */
export function startGuarded(password: string): Promise<StartedServer> {
  return start(['--auth'], async (url) => {
    const client = new MongoClient(url, { serverSelectionTimeoutMS: 3000 })
    try {
      // Whoever is on this machine may make the first user.
      await client.db('admin').command({ createUser: 'root', pwd: password, roles: ['root'] })
      return undefined
    } catch (error) {
      return describeFailure(error)
    } finally {
      await client.close()
    }
  })
}

async function start(args: readonly string[], failure: (url: string) => Promise<string | undefined>): Promise<StartedServer> {
  const folder = makeTemporaryFolder('pymar-mongod')
  try {
    const server = await startMongod(binary as string, folder.path, args, failure, new AbortController().signal)
    return { url: server.url, stop: () => server.stop().finally(folder.remove) }
  } catch (error) {
    folder.remove()
    throw error
  }
}
