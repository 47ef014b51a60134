import type { EncodedPrompt, TokenizerResult, TokenizerTask } from '../../../workers/messages.ts'
import { HeadendError } from '../../contract/errors.ts'
import type { ContentBlock, GenerateRequest } from '../../contract/request.ts'
import { type PoolReports, SupervisedPool, WorkerLost } from './supervised-pool.ts'

/** Renders, tokenises and counts away from the decode workers: a prompt of megabytes takes half a second and would stall every slot. */
export interface Tokenizer {
  /** The model's format has a place for thoughts. */
  readonly thinks: boolean
  /** `false` while its thread is being replaced. */
  readonly ready: boolean
  /** @throws HeadendError invalid-request, unavailable, worker-lost */
  encode(request: GenerateRequest): Promise<EncodedPrompt>
  countTokens(request: GenerateRequest): Promise<number>
  close(): Promise<void>
}

/** One thread serialises its tasks by itself; how many may wait is bounded by the bodies in flight. */
const tasksPerWorker = 65_536

export async function openTokenizer(modelPath: string, reports: PoolReports): Promise<Tokenizer> {
  let thinks = false
  const pool = await SupervisedPool.open<TokenizerTask, TokenizerResult>({
    module: 'tokenizer',
    threadCount: 1,
    tasksPerWorker,
    loadTask: (port) => ({ type: 'load', modelPath, port }),
    loaded: (result) => {
      thinks = (result as TokenizerResult & { type: 'loaded' }).thinking
    },
    reports,
  })

  async function run(task: TokenizerTask): Promise<TokenizerResult> {
    const worker = pool.workers.find(({ ready }) => ready)
    if (worker === undefined) throw modelLoading()
    let result: TokenizerResult
    try {
      result = await pool.run(worker.id, task, [])
    } catch (cause) {
      if (!(cause instanceof WorkerLost)) throw cause
      throw new HeadendError('worker-lost', 'The tokenizer stopped while reading this request; try again', { cause })
    }
    if (result.type === 'refused') throw new HeadendError(result.kind, result.message)
    return result
  }

  return {
    get thinks() {
      return thinks
    },
    get ready() {
      return pool.readyCount > 0
    },
    async encode(request) {
      refuseUnsupported(request)
      const result = await run({ type: 'encode', request })
      if (result.type !== 'encoded') throw new Error(`the tokenizer answered ${result.type} to encode`)
      return result.prompt
    },
    async countTokens(request) {
      refuseUnsupported(request)
      const result = await run({ type: 'count', request })
      if (result.type !== 'counted') throw new Error(`the tokenizer answered ${result.type} to count`)
      return result.tokens
    },
    close: () => pool.destroy(),
  }
}

export function modelLoading(): HeadendError {
  return new HeadendError('unavailable', 'The model is not loaded yet, or its worker is being replaced; try again', {
    retryAfterSeconds: 2,
  })
}

/** The engine has no eyes: that is refused before any thread is bothered. */
function refuseUnsupported(request: GenerateRequest): void {
  for (const { content } of request.turns) refuseImages(content)
}

function refuseImages(content: readonly ContentBlock[]): void {
  for (const block of content) {
    if (block.kind === 'tool-result') refuseImages(block.content)
    if (block.kind !== 'image') continue
    throw new HeadendError('invalid-request', `${block.path}: this model does not accept images`, { field: block.path })
  }
}
