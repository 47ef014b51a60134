import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RandomModelOptions, writeRandomModel } from '../../scripts/random-gguf.ts'
import { type RunningServer, startServer } from './running-server.ts'

export interface RandomModelServer extends RunningServer {
  /** The id by which clients ask for it. */
  readonly model: string
}

/**
 * A whole server on a model of random weights, with the tokenizer and the chat template of the embedded one. It says nothing
 * sensible, so whatever its answers have in common comes from the server. The file goes with the server.
 */
export async function startRandomModelServer(
  weights: RandomModelOptions = {},
  flags: Record<string, unknown> = {},
): Promise<RandomModelServer> {
  const folder = await mkdtemp(join(tmpdir(), 'headend-random-'))
  const removeFolder = (): Promise<void> => rm(folder, { recursive: true, force: true })
  try {
    const path = join(folder, 'random.gguf')
    await writeRandomModel(path, { layers: 1, width: 64, heads: 2, kvHeads: 1, feedForward: 64, ...weights })
    const server = await startServer({ model: [`random=${path}`], ...flags })
    return {
      ...server,
      model: 'random',
      async destroy() {
        await server.destroy()
        await removeFolder()
      },
    }
  } catch (cause) {
    await removeFolder()
    throw cause
  }
}
