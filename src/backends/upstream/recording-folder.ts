import { mkdirSync } from 'node:fs'
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { StartError } from '../../contract/errors.ts'

/** What names of recordings look like; nothing else in the folder is ever removed. */
const recordingName = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z-[\w-]+\.jsonl(?:\.part)?$/

/** Answers hold what users were told, so nobody else may read them. */
const folderMode = 0o700
const fileMode = 0o600

/** @throws StartError: it cannot be made */
export function makeRecordingFolder(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: folderMode })
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new StartError(`--record: cannot make the folder ${directory} (${code}): name one that can be written to`, {
      cause,
    })
  }
}

/** Sorts by time. */
export function recordingFileName(startedAt: Date, requestId: string): string {
  return `${startedAt.toISOString().replaceAll(':', '-')}-${requestId.replace(/[^\w-]/g, '_')}.jsonl`
}

/**
 * Whole or not at all: nobody finds half a recording. Then the oldest are removed until no more than `filesMax` are left.
 * @throws what the file system throws
 */
export async function writeRecording(
  directory: string,
  name: string,
  lines: Iterable<string>,
  filesMax: number,
): Promise<void> {
  const path = join(directory, name)
  const partial = `${path}.part`
  await mkdir(directory, { recursive: true, mode: folderMode })
  try {
    await writeFile(partial, lines, { mode: fileMode, flag: 'wx' })
    await rename(partial, path)
  } catch (cause) {
    await rm(partial, { force: true })
    throw cause
  }
  const names = (await readdir(directory)).filter((other) => recordingName.test(other)).sort()
  for (const oldest of names.slice(0, Math.max(0, names.length - filesMax)))
    await rm(join(directory, oldest), { force: true })
}
