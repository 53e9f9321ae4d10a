// A broker of a test file's own, that may be stopped, starved and killed.
import { after, before } from 'node:test'
import { RabbitNode, rabbitmq } from '../servers/rabbitmq.ts'
import { makeTemporaryFolder } from '../servers/temporary-folder.ts'

const binary = rabbitmq.findBinary()
const { signal } = new AbortController()

/** Why there cannot be one, or false. */
export const noBroker: string | false = !binary && 'no rabbitmq-server on this machine'

/** So long may such a node take to start on a slow machine: producers wait for it, in milliseconds. */
export const PATIENT = { brokerTimeoutMs: 100_000 }

export interface OwnNode {
  readonly node: RabbitNode
  /** Ends it, as a fault would or in order, and starts it again. */
  restart(how: 'stop' | 'kill'): Promise<void>
  up(): Promise<void>
  /** The name of the queue of a namespace that is like this. */
  queueOf(namespace: string, which: RegExp): Promise<string>
}

/** A node that is there while the tests of this suite run. @param settings Of its application `rabbit`, as Erlang terms. */
export function ownNode(settings = ''): OwnNode {
  const folder = makeTemporaryFolder('pymar-chaos')
  let node: RabbitNode | undefined
  before(async () => {
    if (binary) node = await RabbitNode.start(binary, folder.path, signal, settings)
  })
  after(async () => {
    await node?.stop()
    folder.remove()
  })
  const up = () => (node as RabbitNode).up(signal)
  return {
    get node() {
      return node as RabbitNode
    },
    async restart(how) {
      await node?.down(how)
      await up()
    },
    up,
    async queueOf(namespace, which) {
      const queue = (await (node as RabbitNode).ask('list_queues', 'name')).find((name) => name.includes(namespace) && which.test(name))
      if (queue === undefined) throw new Error(`there is no queue ${which} in ${namespace}`)
      return queue
    },
  }
}
