import type { Job, MapOptions, ProducerOptions } from '@pymar/core'
import { readGiven } from '../../packages/core/dist/job/given.js'
import type { ProducerCode } from '../../packages/core/dist/job/run.js'
import { startJob } from '../../packages/core/dist/ledger/job.js'
import { runJob } from '../../packages/core/dist/ledger/job-run.js'
import { InlineTransport } from '../../packages/core/dist/transport/inline.js'
import type { Transport } from '../../packages/core/dist/transport/port.js'

/** A producer class, with what it needs to run on any transport. */
export interface AnyProducer {
  readonly name: string
  WORKERS_NUMBER: number
  new (options?: ProducerOptions): { map(source: never, options?: MapOptions): Job<unknown>; close(): Promise<void> }
}

/** One way to compute a job, under test. */
export interface Subject {
  readonly name: string
  map(producer: AnyProducer, source: unknown, options?: MapOptions): Job<any>
}

/** A job over a transport that no public option names. */
export function mapOver(
  transport: Transport,
  producer: AnyProducer,
  source: unknown,
  options: MapOptions = {},
  fallback?: Transport,
): Job<any> {
  return startJob(mapOver, async (control) => {
    const request = { producer: producer as unknown as ProducerCode, given: readGiven(source), count: producer.WORKERS_NUMBER, options }
    return runJob(
      control,
      { ...request, locate: () => Promise.reject(new Error('no job file')) },
      { transport, ...(fallback && { fallback: () => fallback }) },
    )
  })
}

/** Computes in this process: the oracle. */
export const inline: Subject = {
  name: 'inline',
  map: (producer, source, options) => mapOver(new InlineTransport(), producer, source, options),
}

/** Slots of this process, that all tests of a file share. */
export function local(slots: number): Subject {
  return {
    name: `local with ${slots} slots`,
    map: (producer, source, options = {}) => {
      const start = producer as unknown as { map(source: unknown, options: MapOptions & ProducerOptions): Job<any> }
      return start.map(source, { ...options, slots })
    },
  }
}

export const SUBJECTS: readonly Subject[] = [inline, local(1), local(3)]
