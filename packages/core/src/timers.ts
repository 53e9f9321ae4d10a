/**
 * Timers as they were when this package was loaded: those that a test fakes later must not stop a job.
 *
 * @internal
 */
export const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate } = globalThis
