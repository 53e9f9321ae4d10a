import { PymarError } from '../errors.ts'
import type { JobFileAt } from '../job/job-file.ts'
import { findClass, type JobFile, listClasses, loadJobFile, notLoaded } from '../job/load.ts'
import { type LoadedJob, type Outcome, type ProducerCode, perform, type Shared, type SourceCode } from '../job/run.ts'
import { setImmediate } from '../timers.ts'
import { decode } from '../wire/codec.ts'
import { describeError } from '../wire/error-record.ts'
import { enterSlot } from './in-slot.ts'
import type { FromSlot, SlotJob, ToSlot } from './messages.ts'
import { watchParent } from './watch-parent.ts'

/*
 * What runs inside a slot: it imports the job file once, then computes one task after the other. Between two tasks it
 * goes once round the event loop, so that what the first one left unhandled still counts against it, and a task that is
 * to be dropped is dropped before it begins.
 */

type Run = ToSlot & { readonly type: 'run' }

/** sysexits.h: an internal error. */
const EXIT_AFTER_UNCAUGHT = 70

// As it is now: user code may replace it.
const tell = process.send?.bind(process)

let file: Promise<JobFile | undefined> = Promise.resolve(undefined)
/** The URL of the job file while it is imported. */
let loading = ''
const jobs = new Map<string, SlotJob>()
const opened = new Map<string, LoadedJob>()
const inbox: Run[] = []
/** Partials that came ahead of their task, by ticket. */
const pieces = new Map<number, readonly Uint8Array[]>()
let running: { readonly ticket: number; readonly abort: AbortController } | undefined
let working = false

enterSlot({
  refuse: (error) => !running && broken(error),
  get busy() {
    return running !== undefined
  },
})
// Ctrl-C in a terminal reaches slots too; whether a job ends by it is for the process that started it to say.
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit())
process.on('uncaughtException', uncaught)
process.on('unhandledRejection', uncaught)
process.on('message', hear)
// Without this listener the slot would be deaf: one that user code takes away is put back.
process.on('removeListener', (event, listener) => {
  if (event === 'message' && listener === hear) process.on('message', hear)
})
send({ type: 'up' })
const [parent, watch] = process.argv.slice(2)
void watchParent(Number(parent), watch === 'signalled')

function hear(messages: readonly ToSlot[]) {
  for (const message of messages) receive(message)
}

function receive(message: ToSlot) {
  switch (message.type) {
    case 'load':
      file = load(message.file)
      return
    case 'open':
      jobs.set(message.job.id, message.job)
      return
    case 'close':
      jobs.delete(message.job)
      opened.delete(message.job)
      return
    case 'partials':
      pieces.set(message.ticket, [...(pieces.get(message.ticket) ?? []), ...message.partials])
      return
    case 'run':
      inbox.push(whole(message))
      void workOff()
      return
    case 'drop':
      drop(message.ticket)
      return
    case 'abort':
      if (running?.ticket === message.ticket) running.abort.abort(new DOMException(message.reason, 'AbortError'))
      else drop(message.ticket)
  }
}

/** A task with the partials that came ahead of it. */
function whole(run: Run): Run {
  const partials = pieces.get(run.ticket)
  if (!partials || run.task.kind !== 'reduction') return run
  pieces.delete(run.ticket)
  return { ...run, task: { ...run.task, partials: [...partials, ...run.task.partials] } }
}

/** Forgets a task that has not begun. */
function drop(ticket: number) {
  const at = inbox.findIndex((run) => run.ticket === ticket)
  if (at < 0) return
  inbox.splice(at, 1)
  send({ type: 'dropped', ticket })
}

async function load(at: JobFileAt): Promise<JobFile | undefined> {
  loading = at.url
  try {
    const loaded = await loadJobFile(at)
    send({ type: 'loaded', classes: listClasses(loaded) })
    return loaded
  } catch (error) {
    broken(error)
    return undefined
  } finally {
    loading = ''
  }
}

async function workOff() {
  if (working) return
  working = true
  const loaded = await file
  if (!loaded) return
  for (let next = inbox.shift(); next; next = inbox.shift()) {
    const { ticket } = next
    running = { ticket, abort: new AbortController() }
    const outcome = await attempt(loaded, next, running.abort.signal)
    await oneTurn()
    // The first turn may end before the pipe is read.
    if (inbox.length > 0) await oneTurn()
    running = undefined
    send({ type: 'ended', ticket, outcome })
  }
  working = false
}

function oneTurn(): Promise<void> {
  return new Promise((turn) => setImmediate(turn))
}

async function attempt(loaded: JobFile, { job, task }: Run, signal: AbortSignal): Promise<Outcome> {
  let known: LoadedJob
  try {
    known = await openJob(loaded, job)
  } catch (error) {
    // Something that this process rests on was changed by what ran here before: another slot may do.
    if (!(error instanceof PymarError)) uncaughtHere(error)
    return { code: 'JOB_FILE', error: describeError(error) }
  }
  return perform(known, task, signal)
}

/** Finds a job's code in the job file, once. */
async function openJob(loaded: JobFile, id: string): Promise<LoadedJob> {
  const known = opened.get(id)
  if (known) return known
  const { partitions, shared, producer, source } = jobs.get(id) as SlotJob
  const job: LoadedJob = {
    id,
    partitions,
    producer: await findClass<ProducerCode>(loaded, 'producer', producer),
    ...(source && { source: await findClass<SourceCode>(loaded, 'source', source) }),
    shared: shared ? (decode(shared) as Shared) : {},
  }
  opened.set(id, job)
  return job
}

/** An exception or rejection that nobody caught: it is of the import, or of the task that is running. */
function uncaught(error: unknown) {
  if (error instanceof PymarError && error.code === 'JOB_FILE') return broken(error)
  if (loading) return broken(notLoaded(loading, error))
  const exit = () => process.exit(EXIT_AFTER_UNCAUGHT)
  if (running)
    return send({ type: 'ended', ticket: running.ticket, outcome: { code: 'USER_ERROR', error: describeError(error) }, last: true }, exit)
  return uncaughtHere(error)
}

/** Ends the slot: its task, if it has one, is begun again elsewhere. */
function uncaughtHere(error: unknown): never {
  console.error('Uncaught in a slot, in none of its tasks:', error)
  process.exit(EXIT_AFTER_UNCAUGHT)
}

function broken(error: unknown) {
  send({ type: 'broken', error: describeError(error) })
}

function send(message: FromSlot, sent: () => void = () => {}) {
  // Without a pipe there is nobody left to tell; 'disconnect' ends this process.
  tell?.(message, undefined, {}, sent)
}
