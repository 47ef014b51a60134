import type { Llama } from 'node-llama-cpp'

/**
 * Runs a step of loading; when it fails, the engine is taken down before the failure is told. The thread is stopped then, and an
 * engine that still has a message for a logger, or a job in flight, throws where nobody can catch it: SIGABRT for the process.
 */
export async function disposeOnFailure<Result>(llama: Llama, step: () => Promise<Result>): Promise<Result> {
  try {
    return await step()
  } catch (cause) {
    await llama.dispose()
    throw cause
  }
}
