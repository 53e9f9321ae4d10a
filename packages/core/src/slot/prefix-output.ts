import type { ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { PassThrough, Transform } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'

/** A line that does not end within so many characters is cut. */
const LINE_LIMIT = 64 * 1024

/** Where all slots of this process write: one listener of stderr, however many they are. */
let output: PassThrough | undefined

/** Passes on to stderr what a child process prints, each line with its pid before it; as slowly as stderr takes it. */
export function prefixOutput(child: ChildProcess): void {
  if (!output) {
    output = new PassThrough().setMaxListeners(0)
    output.pipe(process.stderr, { end: false })
  }
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue
    // It keeps no process alive, as its slot does not.
    ;(stream as Socket).unref()
    stream.pipe(new Lines(`[slot ${child.pid}] `)).pipe(output, { end: false })
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
