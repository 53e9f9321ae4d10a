import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Below the range that Linux takes for outgoing connections, so that none of them gets the port before the server does. */
const PORTS = { from: 20000, to: 30000 } as const
const ATTEMPTS = 50

/** A port of 127.0.0.1 that nobody listens on. Drawn at random, so that two harnesses do not meet on it. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(PORTS.from, PORTS.to)
    if (await canListen(port)) return port
  }
  throw new Error(`Cannot find a free port: ${ATTEMPTS} between ${PORTS.from} and ${PORTS.to} are taken`)
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}
