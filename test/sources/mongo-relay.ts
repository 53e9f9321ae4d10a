// Stands between clients and a server of MongoDB, and sees what they say to each other.
import { connect, createServer, type Server, type Socket } from 'node:net'
import { BSON, MongoClient } from 'mongodb'

type Document = Readonly<Record<string, any>>

const OP_QUERY = 2004
const OP_MSG = 2013
const HEADER_BYTES = 16

/** A command that a client has sent. */
export interface Sent {
  /** The client's name. */
  readonly app: string
  readonly command: Document
}

/** Passes bytes on, and remembers commands, and the cursors that they have left open. */
export class MongoRelay {
  readonly sent: Sent[] = []
  readonly url: string
  /** Says which commands break the connection that they come over. */
  breaksAt: (sent: Sent) => boolean = () => false
  /** What happens before the server hears of a command. */
  beforeIt: (sent: Sent) => Promise<void> | undefined = () => undefined
  readonly #target: string
  readonly #server: Server
  readonly #connections = new Set<RelayedConnection>()
  /** Clients' names and sessions, by the ids of their open cursors. */
  readonly #cursors = new Map<
    string,
    { readonly app: string; readonly session: string; readonly db: string; readonly collection: string }
  >()

  private constructor(target: string, server: Server) {
    this.#target = target
    this.#server = server
    const url = new URL(target)
    url.host = `127.0.0.1:${(server.address() as { port: number }).port}`
    this.url = url.href
  }

  static open(target: string): Promise<MongoRelay> {
    const { hostname, port } = new URL(target)
    return new Promise((resolve) => {
      const server = createServer()
      server.listen(0, '127.0.0.1', () => {
        const relay = new MongoRelay(target, server)
        server.on('connection', (client) => relay.#add(client, connect(Number(port || 27_017), hostname)))
        resolve(relay)
      })
    })
  }

  /** Connections that clients of this name have open. */
  connections(app: string): number {
    return [...this.#connections].filter((connection) => connection.app === app).length
  }

  /** Cursors that clients of this name have open. */
  openCursors(app: string): number {
    return [...this.#cursors.values()].filter((cursor) => cursor.app === app).length
  }

  /** Ends cursors and connections of clients of this name, as a server does that is started again. @returns How many cursors. */
  async cut(app: string): Promise<number> {
    const cursors = [...this.#cursors].filter(([, cursor]) => cursor.app === app)
    const client = await new MongoClient(this.#target).connect()
    for (const [id, { db, collection }] of cursors) {
      await client.db(db).command({ killCursors: collection, cursors: [BSON.Long.fromString(id)] })
      this.#cursors.delete(id)
    }
    await client.close()
    for (const connection of this.#connections) if (connection.app === app) connection.cut()
    return cursors.length
  }

  close(): void {
    this.#server.close()
    for (const connection of this.#connections) connection.cut()
  }

  #add(client: Socket, server: Socket) {
    const connection = new RelayedConnection(client, server, (app, command, reply) => {
      this.#heard(app, command, reply)
      if (reply) return undefined
      if (this.breaksAt({ app, command })) connection.cut()
      return this.beforeIt({ app, command })
    })
    this.#connections.add(connection)
    client.on('close', () => this.#connections.delete(connection))
  }

  /** What was asked, and what was answered once it is: a cursor that is to be ended counts as open no longer. */
  #heard(app: string, command: Document, reply: Document | undefined) {
    if (!reply) {
      this.sent.push({ app, command })
      if (command['killCursors']) for (const id of command['cursors']) this.#cursors.delete(String(id))
      const sessions = new Set(((command['killSessions'] ?? command['endSessions'] ?? []) as unknown[]).map(nameOf))
      for (const [id, { session }] of this.#cursors) if (sessions.has(session)) this.#cursors.delete(id)
      return
    }
    const collection = command['find'] ?? command['aggregate'] ?? command['collection']
    const { cursor } = reply
    if (!cursor || typeof collection !== 'string') return
    if (command['getMore']) this.#cursors.delete(String(command['getMore']))
    if (String(cursor.id) !== '0')
      this.#cursors.set(String(cursor.id), { app, session: nameOf(command['lsid']), db: command['$db'], collection })
  }
}

const nameOf = (session: unknown) =>
  String((session as { readonly id?: { toString(how: 'hex'): string } } | undefined)?.id?.toString('hex'))

/** @returns What is waited for before it is passed on. */
type Listener = (app: string, command: Document, reply: Document | undefined) => Promise<void> | undefined

class RelayedConnection {
  app = ''
  readonly #sockets: readonly [Socket, Socket]
  readonly #asked = new Map<number, Document>()

  constructor(client: Socket, server: Socket, listener: Listener) {
    this.#sockets = [client, server]
    for (const [from, to, hear] of [
      [client, server, (message: Buffer) => this.#request(message, listener)],
      [server, client, (message: Buffer) => this.#reply(message, listener)],
    ] as const) {
      const messages = new Messages(hear)
      from.on('error', () => {})
      from.on('close', () => to.destroy())
      from.on('data', async (bytes) => {
        from.pause()
        await Promise.all(messages.push(bytes))
        to.write(bytes)
        from.resume()
      })
    }
  }

  cut() {
    for (const socket of this.#sockets) socket.destroy()
  }

  #request(message: Buffer, listener: Listener): Promise<void> | undefined {
    const command = commandOf(message)
    if (!command) return undefined
    if (command['client']) this.app = String(command['client'].application?.name)
    this.#asked.set(message.readInt32LE(4), command)
    return listener(this.app, command, undefined)
  }

  #reply(message: Buffer, listener: Listener): undefined {
    const [to, reply] = [message.readInt32LE(8), commandOf(message)]
    const command = this.#asked.get(to)
    this.#asked.delete(to)
    if (command && reply) listener(this.app, command, reply)
  }
}

/** Bytes as they come, made into messages. */
class Messages {
  readonly #hear: (message: Buffer) => Promise<void> | undefined
  #rest: Buffer = Buffer.alloc(0)

  constructor(hear: (message: Buffer) => Promise<void> | undefined) {
    this.#hear = hear
  }

  push(bytes: Buffer): (Promise<void> | undefined)[] {
    const heard: (Promise<void> | undefined)[] = []
    this.#rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes
    while (this.#rest.length >= HEADER_BYTES && this.#rest.length >= this.#rest.readInt32LE(0)) {
      const length = this.#rest.readInt32LE(0)
      heard.push(this.#hear(this.#rest.subarray(0, length)))
      this.#rest = this.#rest.subarray(length)
    }
    return heard
  }
}

/** The document of a message. @see https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/ */
function commandOf(message: Buffer): Document | undefined {
  const kind = message.readInt32LE(12)
  // Behind the flags and the section's kind; behind the flags, the collection's name, and two numbers.
  if (kind === OP_MSG) return BSON.deserialize(documentAt(message, HEADER_BYTES + 5), { promoteLongs: false })
  if (kind === OP_QUERY) return BSON.deserialize(documentAt(message, message.indexOf(0, HEADER_BYTES + 4) + 9))
  return undefined
}

function documentAt(message: Buffer, at: number): Buffer {
  return message.subarray(at, at + message.readInt32LE(at))
}
