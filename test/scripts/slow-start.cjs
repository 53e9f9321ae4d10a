// Required by a slot before it is up: it never comes up.
if (process.argv[1]?.endsWith('child.js')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
