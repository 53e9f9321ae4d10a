import type { ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { PassThrough, Transform } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { now, setImmediate, setTimeout } from '../timers.ts'

/** A line that does not end within so many characters is cut. */
const LINE_LIMIT = 64 * 1024
const LOOK_MS = 5

/** Where all slots of this process write: one listener of stderr, however many they are. */
let output: PassThrough | undefined

/** What slots print goes on until their pipes end, which may be after they have. */
const open = new Set<Lines>()

/** Resolves when all that slots have printed was passed on, or after so long, in milliseconds: what a slot started may hold its pipe. */
export async function outputEnded(limitMs: number): Promise<void> {
  const end = now() + limitMs
  while (open.size > 0 && now() < end) await new Promise((later) => setTimeout(later, LOOK_MS))
  // From here to stderr it takes a turn.
  await new Promise((turn) => setImmediate(turn))
}

/** Passes on to stderr what a child process prints, each line with its pid before it; as slowly as stderr takes it. */
export function prefixOutput(child: ChildProcess): void {
  if (!output) {
    const all = new PassThrough().setMaxListeners(0)
    output = all
    all.pipe(process.stderr, { end: false })
    // Its reader is gone, or its disk full: what is said is lost, and not the worker.
    process.stderr.on('error', () => {
      all.unpipe(process.stderr)
      all.resume()
    })
  }
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue
    // It keeps no process alive, as its slot does not.
    ;(stream as Socket).unref()
    const lines = new Lines(`[slot ${child.pid}] `)
    open.add(lines)
    stream
      .once('close', () => lines.end())
      .pipe(lines)
      .once('end', () => open.delete(lines))
      .pipe(output, { end: false })
  }
}

/** Puts a prefix before each line, and lets lines through whole. */
class Lines extends Transform {
  readonly #prefix: string
  readonly #decoder = new StringDecoder('utf8')
  #rest = ''

  constructor(prefix: string) {
    super()
    this.#prefix = prefix
  }

  override _transform(chunk: Buffer, _encoding: string, done: () => void): void {
    const lines = (this.#rest + this.#decoder.write(chunk)).split('\n')
    this.#rest = lines.pop() ?? ''
    if (this.#rest.length > LINE_LIMIT) {
      lines.push(this.#rest)
      this.#rest = ''
    }
    this.#tell(lines)
    done()
  }

  override _flush(done: () => void): void {
    this.#tell(this.#rest === '' ? [] : [this.#rest])
    done()
  }

  #tell(lines: readonly string[]) {
    if (lines.length > 0) this.push(lines.map((line) => `${this.#prefix}${line}\n`).join(''))
  }
}
