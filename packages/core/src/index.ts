/// <reference lib="esnext.disposable" preserve="true" />
// First: it keeps the timers as they are before anyone fakes them.
import './timers.ts'

export {
  BlockSource,
  DataSource,
  DataSourceFactory,
  type DataSourceFactoryOptions,
  type Partition,
  type PartitionContext,
  type Plan,
  type PlanContext,
  type SourceClass,
} from './data-source.ts'
export { type ErrorCode, PymarError } from './errors.ts'
export { isMain } from './is-main.ts'
export type { Job } from './ledger/job.ts'
export type { MapOptions, ProducerOptions, Progress, ServedProducer, TlsOptions, WorkerHandle, WorkerOptions } from './options.ts'
export { Producer, type ProducerClass, type SourceFor } from './producer.ts'
export { startWorker } from './start-worker.ts'
