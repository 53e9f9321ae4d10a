import { messageOf, PymarError } from '../errors.ts'
import type { Given } from '../job/given.ts'
import type { JobPlan } from '../job/plan.ts'
import type { Kept } from '../transport/port.ts'
import { digest } from '../wire/digest.ts'
import { lockFile } from './file-lock.ts'
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
  /** The id of this run: that of its job. */
  readonly run: string
  failed(error: PymarError): void
}

/** What records begin with. */
const [IDENTITY, RUN, END, PARTIAL] = [0, 1, 2, 3]

/** The partials of a job in a file: a job that is started again with the same file goes on where it was. */
export class Checkpoint {
  /** What is known of earlier runs. */
  readonly kept: Kept
  readonly #journal: Journal
  readonly #run: string
  readonly #unlock: () => void
  #done: ReadonlyMap<number, Uint8Array>

  private constructor(journal: Journal, run: string, found: Records, unlock: () => void) {
    this.#journal = journal
    this.#run = run
    this.#unlock = unlock
    this.#done = found.partials
    this.kept = { earlier: [...found.runs], over: (earlier) => journal.append(Uint8Array.of(END), Buffer.from(earlier)) }
    journal.append(Uint8Array.of(RUN), Buffer.from(run))
  }

  /** @throws {PymarError} `CHECKPOINT` if the file is another job's, or cannot be read or written, or the plan cannot be followed once more. */
  static async open(settings: CheckpointSettings): Promise<Checkpoint> {
    const { path, given, plan, failed, run } = settings
    if (!(plan.resumable ?? (!plan.close && !plan.lost))) {
      const name = given.kind === 'class' ? given.source.name : 'the source'
      const found = `what ${name} has planned rests on something that another process does not have, such as a snapshot`
      throw new PymarError('CHECKPOINT', `Cannot use checkpoint "${path}": ${found}; leave the option out, or copy the data out first`)
    }
    let unlock: (() => void) | undefined
    try {
      unlock = lockFile(path)
      const found = new Records()
      const write = (error: unknown) => failed(unusable(path, error, 'write'))
      const identity = identityOf(settings)
      const journal = await Journal.open(path, (record) => found.read(record), write)
      await checkIdentity(path, journal, found, identity)
      return new Checkpoint(journal, run, found, unlock)
    } catch (error) {
      unlock?.()
      throw error instanceof PymarError ? error : unusable(path, error, 'open')
    }
  }

  /** How many partials were there already. */
  get done(): number {
    return this.#done.size
  }

  /** Partials that were there already, by their partition's index. Given once, since whoever takes them keeps them. */
  takeDone(): ReadonlyMap<number, Uint8Array> {
    const done = this.#done
    this.#done = new Map()
    return done
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
    if (ended) this.kept.over(this.#run)
    await this.#journal.close().catch((error) => {
      process.emitWarning(`Cannot write the end of a checkpoint: ${messageOf(error)}`, 'PymarWarning')
    })
    this.#unlock()
  }
}

/** What a journal says. */
class Records {
  identity: Identity | undefined
  /** Runs of which something may be left. */
  readonly runs = new Set<string>()
  readonly partials = new Map<number, Uint8Array>()

  read(record: Buffer): void {
    const text = () => record.toString('utf8', 1)
    switch (record[0]) {
      case IDENTITY:
        this.identity ??= JSON.parse(text())
        return
      case RUN:
        this.runs.add(text())
        return
      case END:
        this.runs.delete(text())
        return
      case PARTIAL:
        // A copy, since what was read with it is not to be kept.
        this.partials.set(record.readDoubleLE(1), Uint8Array.from(record.subarray(9)))
    }
  }
}

async function checkIdentity(path: string, journal: Journal, { identity: found }: Records, identity: Identity): Promise<void> {
  if (!found) return journal.append(Uint8Array.of(IDENTITY), Buffer.from(JSON.stringify(identity)))
  const differs = (Object.keys(PARTS) as (keyof Identity)[]).find((part) => found[part] !== identity[part])
  if (!differs) return
  await journal.close()
  const advice = 'name another file, or delete it to compute everything anew'
  throw new PymarError('CHECKPOINT', `Cannot go on from checkpoint "${path}": it is of another job: ${PARTS[differs]}; ${advice}`)
}

function identityOf({ producer, code, given, plan }: CheckpointSettings): Identity {
  const { partitions, shared } = plan
  return {
    producer,
    source: given.kind === 'class' ? given.source.name : '',
    code: digest(code),
    // An even split is told by its ends.
    partitions: digest(
      Array.isArray(partitions) ? partitions : [partitions.length, partitions.at(0), partitions.at(partitions.length - 1)],
    ),
    params: digest(given.kind === 'class' ? given.params : undefined, shared),
    data: digest(given.kind === 'data' ? given.items : undefined),
  }
}

function unusable(path: string, error: unknown, doing: 'open' | 'write'): PymarError {
  const isFull = doing === 'write' || ['ENOSPC', 'EDQUOT'].includes(String((error as NodeJS.ErrnoException).code))
  const advice = isFull ? 'what it holds is whole: make room and start the job again with it' : 'name another file'
  return new PymarError('CHECKPOINT', `Cannot ${doing} checkpoint "${path}": ${messageOf(error)}; ${advice}`, { cause: error })
}
