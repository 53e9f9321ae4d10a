// Stands between clients and a server, and does what networks do, when it is told.
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** `up`: what the client says. */
export type Direction = 'up' | 'down'

interface Passage {
  readonly client: Socket
  readonly server: Socket
  /** Ways in which nothing arrives any more. */
  readonly swallowed: Set<Direction>
  /** So many bytes more, and it is cut; in either way together. */
  left: number
}

const DIRECTIONS: readonly Direction[] = ['up', 'down']

export class TcpProxy {
  readonly url: string
  /** The server's, for connections from now on. */
  target: URL
  readonly #server: Server
  readonly #passages = new Set<Passage>()
  #slowness: number | undefined
  #accepts = true
  /** Connections that there have been. */
  connections = 0
  /** Sees what passes, before it does. @returns False: it does not. */
  watch: (direction: Direction, bytes: Buffer) => boolean = () => true

  private constructor(target: URL, server: Server) {
    this.#server = server
    this.target = target
    const url = new URL(target)
    url.hostname = '127.0.0.1'
    url.port = String((server.address() as { port: number }).port)
    this.url = url.href
  }

  /** @param url The server's. @param defaultPort Its port, where the URL names none. */
  static async open(url: string, defaultPort = 5672): Promise<TcpProxy> {
    const target = new URL(url)
    const server = createServer()
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    const proxy = new TcpProxy(target, server)
    server.on('connection', (client) => proxy.#pass(client, connect(Number(proxy.target.port || defaultPort), proxy.target.hostname)))
    return proxy
  }

  /** Ends all connections, as a machine between does that is switched off and on. */
  cut(): void {
    for (const { client, server } of this.#passages) for (const socket of [client, server]) socket.destroy()
  }

  /** Ends each connection after so many bytes more: mostly in the middle of a frame. */
  cutAfter(bytes: () => number): void {
    for (const passage of this.#passages) passage.left = bytes()
  }

  /** From now on nothing arrives on the connections that there are, in these ways, and nobody is told. */
  swallow(...directions: readonly Direction[]): void {
    for (const { swallowed } of this.#passages) for (const direction of directions) swallowed.add(direction)
  }

  /** Everything takes its time, in bytes a second and way; undefined: not any more. */
  slow(bytesPerSecond: number | undefined): void {
    this.#slowness = bytesPerSecond
  }

  /** Whether somebody is let in. */
  accept(accepts: boolean): void {
    this.#accepts = accepts
  }

  close(): void {
    this.cut()
    this.#server.close()
  }

  #pass(client: Socket, server: Socket) {
    if (!this.#accepts) {
      client.destroy()
      server.on('error', () => {}).destroy()
      return
    }
    this.connections++
    const passage: Passage = { client, server, swallowed: new Set(), left: Number.POSITIVE_INFINITY }
    this.#passages.add(passage)
    for (const [direction, from, to] of [
      ['up', client, server],
      ['down', server, client],
    ] as const) {
      from.on('data', (bytes) => void this.#carry(passage, direction, bytes, from, to))
      from.on('error', () => {})
      from.on('close', () => {
        this.#passages.delete(passage)
        // The other end does not hear of it where nothing arrives.
        if (!passage.swallowed.has(direction)) to.destroy()
      })
    }
  }

  async #carry(passage: Passage, direction: Direction, bytes: Buffer, from: Socket, to: Socket) {
    if (passage.swallowed.has(direction) || !this.watch(direction, bytes)) return
    if (this.#slowness !== undefined) {
      from.pause()
      await sleep((bytes.length / this.#slowness) * 1000)
      from.resume()
    }
    to.write(bytes.subarray(0, passage.left))
    passage.left -= bytes.length
    if (passage.left <= 0) for (const socket of [from, to]) socket.destroy()
  }

  /** Ways, for tests that try each. */
  static readonly directions = DIRECTIONS
}
