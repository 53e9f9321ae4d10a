import { createHash, type Hash } from 'node:crypto'
import { messageOf, PymarError } from '../errors.ts'
import type { Given } from '../job/given.ts'
import type { JobPlan } from '../job/plan.ts'
import type { Kept } from '../transport/port.ts'
import { encode } from '../wire/codec.ts'
import { Journal } from './journal.ts'

/** What says that two jobs are the same: of each part of them, a hash. */
interface Identity {
  readonly producer: string
  readonly source: string
  readonly code: string
  readonly partitions: string
  readonly params: string
  readonly data: string
}

/** How an error names what differs. */
const PARTS: Readonly<Record<keyof Identity, string>> = {
  producer: 'its producer is another one',
  source: 'its source is another one',
  code: 'its job file was changed',
  partitions: 'its partitions are others',
  params: 'its params, or what its plan shares, are others',
  data: 'its data in memory is other data',
}

export interface CheckpointSettings {
  readonly path: string
  readonly producer: string
  /** The job file's code, or the `VERSION` that takes its place. */
  readonly code: string
  readonly given: Given
  readonly plan: JobPlan
  /** The id that a first run has. */
  readonly job: string
  failed(error: PymarError): void
}

/** What records begin with. */
const [IDENTITY, RUN, END, PARTIAL] = [0, 1, 2, 3]
const ITEMS_AT_ONCE = 4096

/** The partials of a job in a file: a job that is started again with the same file goes on where it was. */
export class Checkpoint {
  /** The id that the job's tasks travel under: a run that was killed has left some with workers, whose answers count. */
  readonly job: string
  /** What is known of earlier runs. */
  readonly kept: Kept
  /** Partials that are there already, by their partition's index. */
  readonly done: ReadonlyMap<number, Uint8Array>
  readonly #journal: Journal

  private constructor(journal: Journal, job: string, kept: Kept, done: ReadonlyMap<number, Uint8Array>) {
    this.#journal = journal
    this.job = job
    this.kept = kept
    this.done = done
  }

  /** @throws {PymarError} `CHECKPOINT` if the file is another job's, or cannot be read or written, or the plan cannot be followed once more. */
  static async open(settings: CheckpointSettings): Promise<Checkpoint> {
    const { path, given, plan, failed } = settings
    if (!(plan.resumable ?? (!plan.close && !plan.lost))) {
      const name = given.kind === 'class' ? given.source.name : 'the source'
      const found = `what ${name} has planned rests on something that ends with this process, such as a snapshot`
      throw new PymarError('CHECKPOINT', `Cannot use checkpoint "${path}": ${found}; leave the option out, or copy the data out first`)
    }
    const identity = identityOf(settings)
    const found = new Records()
    const write = (error: unknown) => failed(unusable(path, error, 'write'))
    const journal = await Journal.open(path, (record) => found.read(record), write).catch((error) => {
      throw unusable(path, error, 'open')
    })
    if (!found.identity) journal.append(Uint8Array.of(IDENTITY), Buffer.from(JSON.stringify(identity)))
    const differs = found.identity && (Object.keys(PARTS) as (keyof Identity)[]).find((part) => found.identity?.[part] !== identity[part])
    if (differs) {
      await journal.close()
      const advice = 'name another file, or delete it to compute everything anew'
      throw new PymarError('CHECKPOINT', `Cannot go on from checkpoint "${path}": it is of another job: ${PARTS[differs]}; ${advice}`)
    }
    const { run, ended, partials } = found
    if (run !== undefined && !ended) return new Checkpoint(journal, run, { resumed: true }, partials)
    journal.append(Uint8Array.of(RUN), Buffer.from(settings.job))
    return new Checkpoint(journal, settings.job, { resumed: false, ...(run !== undefined && { previous: run }) }, partials)
  }

  /** A partial was counted. */
  count(index: number, bytes: Uint8Array): void {
    const head = Buffer.alloc(9)
    head.writeUInt8(PARTIAL)
    head.writeDoubleLE(index, 1)
    this.#journal.append(head, bytes)
  }

  /** @param ended Whether those who computed for the job know that it is over: otherwise their answers count for the next run. */
  async close(ended: boolean): Promise<void> {
    if (ended) this.#journal.append(Uint8Array.of(END))
    await this.#journal.close().catch((error) => {
      process.emitWarning(`Cannot write the end of a checkpoint: ${messageOf(error)}`, 'PymarWarning')
    })
  }
}

/** What a journal says. */
class Records {
  identity: Identity | undefined
  run: string | undefined
  ended = false
  readonly partials = new Map<number, Uint8Array>()

  read(record: Buffer): void {
    const text = () => record.toString('utf8', 1)
    switch (record[0]) {
      case IDENTITY:
        this.identity ??= JSON.parse(text())
        return
      case RUN:
        this.run = text()
        this.ended = false
        return
      case END:
        this.ended = true
        return
      case PARTIAL:
        // A copy, since what was read with it is not to be kept.
        this.partials.set(record.readDoubleLE(1), Uint8Array.from(record.subarray(9)))
    }
  }
}

function identityOf({ producer, code, given, plan }: CheckpointSettings): Identity {
  const { partitions, shared } = plan
  return {
    producer,
    source: given.kind === 'class' ? given.source.name : '',
    code: hashOf((hash) => hash.update(code)),
    partitions: hashOf((hash) => {
      hash.update(String(partitions.length))
      // An even split is told by its ends.
      const all = Array.isArray(partitions) ? partitions : [partitions.at(0), partitions.at(partitions.length - 1)]
      for (const partition of all) hash.update(encode(partition, 'a partition'))
    }),
    params: hashOf((hash) => {
      if (given.kind === 'class' && given.encodedParams) hash.update(given.encodedParams)
      if (shared !== undefined) hash.update(encode(shared, 'what a plan shares'))
    }),
    data: hashOf((hash) => {
      if (given.kind === 'data') hashItems(hash, given.items)
    }),
  }
}

function hashOf(update: (hash: Hash) => void): string {
  const hash = createHash('sha256')
  update(hash)
  return hash.digest('hex')
}

function hashItems(hash: Hash, items: ArrayLike<unknown>): void {
  if (ArrayBuffer.isView(items)) hash.update(items.constructor.name).update(items as NodeJS.ArrayBufferView)
  else
    for (let i = 0; i < items.length; i += ITEMS_AT_ONCE)
      hash.update(encode(Array.prototype.slice.call(items, i, i + ITEMS_AT_ONCE), 'an item'))
}

function unusable(path: string, error: unknown, doing: 'open' | 'write'): PymarError {
  const advice =
    doing === 'write' ? 'what it holds is whole: make room and start the job again with it, or name another file' : 'name another file'
  return new PymarError('CHECKPOINT', `Cannot ${doing} checkpoint "${path}": ${messageOf(error)}; ${advice}`, { cause: error })
}
