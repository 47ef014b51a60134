import type { Call } from '../../contract/backend.ts'
import { HeadendError } from '../../contract/errors.ts'
import type { ContentBlock, GenerateRequest } from '../../contract/request.ts'
import { ask, isSuccess } from './ask.ts'
import type { TargetParts } from './target-parts.ts'

const answerBytesMax = 64 * 1024 * 1024 // a list of tokens, not only their number

/**
 * Counts with the upstream's own tokenizer. vLLM reads `messages` and `tools`, and applies its template
 * (https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html); llama-server reads `content`, which is then a little
 * low, as the template's own tokens are missing
 * (https://github.com/ggml-org/llama.cpp/tree/master/tools/server#post-tokenize-tokenize-a-given-text).
 * @param encoded the request as it would be sent
 * @returns `null` when the upstream does not say
 */
export async function countByTokenizer(
  parts: TargetParts,
  path: string,
  request: GenerateRequest,
  encoded: string,
  call: Call,
): Promise<number | null> {
  const { model, messages, tools } = JSON.parse(encoded) as Readonly<Record<string, unknown>>
  const body = JSON.stringify({ model, messages, tools, content: textOf(request) })
  try {
    const response = await ask(parts, { path, headers: [], body, streams: false }, call)
    const answer = await response.whole(answerBytesMax)
    return isSuccess(response) ? countIn(answer) : null
  } catch (cause) {
    call.signal.throwIfAborted()
    if (cause instanceof HeadendError) return null // out of reach, or it says something else
    throw cause
  }
}

function textOf({ system, turns, tools }: GenerateRequest): string {
  const prompt = [...system.map(({ text }) => text), ...turns.flatMap(({ content }) => content.map(blockText))]
  return [...prompt, ...tools.map((tool) => JSON.stringify([tool.name, tool.description, tool.inputSchema]))].join('\n')
}

function blockText(block: ContentBlock): string {
  switch (block.kind) {
    case 'text':
    case 'thinking':
      return block.text
    case 'tool-call':
      return JSON.stringify([block.name, block.input])
    case 'tool-result':
      return block.content.map(blockText).join('\n')
    case 'image':
      return ''
    default:
      return block satisfies never
  }
}

function countIn(answer: Uint8Array): number | null {
  try {
    const { count, tokens } = JSON.parse(Buffer.from(answer).toString()) as { count?: unknown; tokens?: unknown }
    if (Number.isSafeInteger(count)) return count as number
    return Array.isArray(tokens) ? tokens.length : null
  } catch {
    return null // not JSON: no tokenizer there
  }
}
