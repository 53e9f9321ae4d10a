/**
 * Time as it was when this package was loaded: what a test fakes later must not stop a job.
 *
 * @internal
 */
export const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate } = globalThis

/** @internal */
export const nextTick = process.nextTick.bind(process)

/** @internal */
export const now = performance.now.bind(performance)
