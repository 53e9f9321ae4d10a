import { mib, type Row } from './table.ts'

/** A job whose answer is the most memory that a slot has had, in KiB. */
interface MemoryJob<Source> {
  map(source: Source): PromiseLike<number>
  close(): Promise<void>
}

/** The peak of a slot of its own, which reads a source so many times: V8 takes what it may before it collects. */
export async function peakMemory<Source>(what: string, producer: MemoryJob<Source>, source: Source, times: number): Promise<Row> {
  let most = 0
  for (let i = 0; i < times; i++) most = Math.max(most, (await producer.map(source)) * 1024)
  await producer.close()
  return { what: `peak memory of a slot that reads ${what}`, value: mib(most) }
}
