import type { WorkerHandle, WorkerOptions } from './options.ts'

/**
 * Starts a worker in this process: it takes the tasks of a job file's producers from a broker, and has its slots compute them.
 *
 * It waits for a broker that is not up yet. It does not keep the process alive by itself.
 *
 * @param file The job file: a path, from the working directory, or a file URL.
 * @returns The worker, when its slots have loaded the job file and it takes tasks.
 * @throws {PymarError} `INVALID_ARGUMENT`, `JOB_FILE`, or `BROKER` where the broker refuses it.
 */
export async function startWorker(file: string | URL, options: WorkerOptions = {}): Promise<WorkerHandle> {
  // Scripts and slots import the door too, and need no broker for that.
  const { start } = await import('./worker/start.ts')
  return start(file, options)
}
