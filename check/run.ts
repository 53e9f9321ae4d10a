// `npm run check`: everything that can be told about the code without running it. Each step runs, also after one that failed.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const PACKAGES = ['core', 'sql-source', 'mongo-source'] as const

const failed: string[] = []

function step(name: string, command: string, ...args: readonly string[]) {
  console.error(`\n# ${name}`)
  const { status } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) failed.push(name)
}

step('format and lint', 'biome', 'ci', '--error-on-warnings', '.')
step('import direction', process.execPath, '--import', 'tsx', 'check/imports.ts')
step('types', 'tsc', '-b')
step('unused files, exports and dependencies', 'knip')

const tarballs = mkdtempSync(join(tmpdir(), 'pymar-check-'))
try {
  for (const name of PACKAGES) {
    step(`package ${name}`, 'publint', '--strict', `packages/${name}`)
  }
  step('pack', 'npm', 'pack', '--workspaces', '--silent', '--pack-destination', tarballs)
  for (const file of readdirSync(tarballs)) step(`types of ${file}`, 'attw', '--profile', 'esm-only', join(tarballs, file))
} finally {
  rmSync(tarballs, { recursive: true })
}

console.error(failed.length === 0 ? '\nall checks passed' : `\nfailed: ${failed.join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1
