import { createHash } from 'node:crypto'
import type { GenerateRequest, Penalties } from '../../contract/request.ts'
import type { ChatRequest } from '../../wire/openai.ts'
import { encodeMessages } from './encode-messages.ts'
import { encodeThinking } from './encode-thinking.ts'
import { encodeToolChoice, encodeTools, shortenedNames, withoutDialect } from './encode-tools.ts'
import { createJsonTexts } from './json-texts.ts'
import { RequestWriter } from './request-writer.ts'
import type { UpstreamQuirks } from './settings.ts'
import { estimateTextTokens } from './token-estimate.ts'

export interface EncodedRequest {
  readonly body: string
  /** Estimated. */
  readonly promptTokens: number
  /** The client's name of a tool by the upstream's, where that had to be shortened. */
  readonly toolNames: ReadonlyMap<string, string>
}

/** Of all upstreams: what one conversation brings again and again, whichever of them answers it. */
const texts = createJsonTexts(16 * 1024 * 1024)

export type MaxTokensField = 'max_tokens' | 'max_completion_tokens'

/**
 * A request as chat completions servers take it (api-surface.md 12).
 * @throws HeadendError invalid-request: what this upstream cannot take
 */
export function encodeRequest(
  request: GenerateRequest,
  quirks: UpstreamQuirks,
  maxTokensField: MaxTokensField,
): EncodedRequest {
  const { messages, images } = encodeMessages(request, quirks)
  const writer = new RequestWriter(texts)
  const head = JSON.stringify(headOf(request, quirks, maxTokensField)).slice(0, -1)
  const messagesJson = writer.messages(messages)
  const sendsTools = request.tools.length > 0 && quirks.extraBody.tools === undefined
  const tools = sendsTools ? `,"tools":${writer.tools(encodeTools(request.tools, quirks.strictTools))}` : ''
  const { textBytes } = writer
  return {
    body: `${head},"messages":${messagesJson}${tools}}`,
    promptTokens: estimateTextTokens({ textBytes, messageCount: messages.length, imageCount: images.count }),
    toolNames: shortenedNames(request.tools),
  }
}

type Head = Omit<ChatRequest, 'messages' | 'tools'>

/** Everything that is not long. What the configuration adds wins, but for what headend itself relies on. */
function headOf(request: GenerateRequest, quirks: UpstreamQuirks, maxTokensField: MaxTokensField): Head {
  const { messages, ...extra } = quirks.extraBody
  const stream = request.stream && quirks.streaming
  const user = quirks.sendsUser ? request.userId : null
  return {
    ...(stream && quirks.streamOptions && { stream_options: { include_usage: true } }),
    ...maxTokensOf(request, quirks, maxTokensField),
    ...samplingOf(request, quirks),
    ...(quirks.reportsStop && request.stopSequences.length > 0 && { stop: request.stopSequences }),
    ...toolFieldsOf(request),
    ...formatOf(request),
    ...(user !== null && { user: createHash('sha256').update(user).digest('hex') }), // 64 characters, the most OpenAI takes
    ...encodeThinking(request, quirks),
    ...(isPrefill(request) &&
      quirks.prefill === 'continue' && { continue_final_message: true, add_generation_prompt: false }),
    ...extra,
    model: request.model,
    stream,
  }
}

/** No upstream takes 0: it is asked for one token, which is dropped. */
function maxTokensOf(
  { maxTokens }: GenerateRequest,
  { outputTokensMax }: UpstreamQuirks,
  field: MaxTokensField,
): object {
  const asked = maxTokens ?? Number.POSITIVE_INFINITY
  const limit = Math.max(1, Math.min(asked, outputTokensMax ?? Number.POSITIVE_INFINITY))
  return Number.isFinite(limit) ? { [field]: limit } : {}
}

function samplingOf({ sampling }: GenerateRequest, quirks: UpstreamQuirks): Partial<ChatRequest> {
  const { temperature, topP, topK, minP, seed, penalties, logitBias } = sampling
  return {
    ...(quirks.sampling && temperature !== null && { temperature }),
    ...(quirks.sampling && topP !== null && { top_p: topP }),
    ...(quirks.extraSampling && topK !== null && { top_k: topK }),
    ...(quirks.extraSampling && minP !== null && { min_p: minP }),
    ...(quirks.extraSampling && seed !== null && { seed }),
    ...(penalties !== null && penaltiesOf(penalties, quirks)),
    ...(quirks.sampling && logitBias !== null && { logit_bias: logitBias }),
  }
}

function penaltiesOf({ repeat, frequency, presence }: Penalties, quirks: UpstreamQuirks): Partial<ChatRequest> {
  return {
    ...(quirks.sampling && frequency !== null && { frequency_penalty: frequency }),
    ...(quirks.sampling && presence !== null && { presence_penalty: presence }),
    ...(quirks.extraSampling && repeat !== null && { repeat_penalty: repeat }),
  }
}

/** Many upstreams refuse `parallel_tool_calls`, so it is sent only where it says something. */
function toolFieldsOf({ tools, toolChoice }: GenerateRequest): Partial<ChatRequest> {
  if (tools.length === 0) return {}
  return { tool_choice: encodeToolChoice(toolChoice), ...(!toolChoice.parallel && { parallel_tool_calls: false }) }
}

function formatOf({ outputSchema }: GenerateRequest): Partial<ChatRequest> {
  if (outputSchema === null) return {}
  const schema = withoutDialect(outputSchema)
  // Any object: there is a word for that, and OpenAI takes no such schema where `strict` is set.
  if (schema.type === 'object' && Object.keys(schema).length === 1) return { response_format: { type: 'json_object' } }
  return { response_format: { type: 'json_schema', json_schema: { name: 'output', schema, strict: true } } }
}

/** The parser leaves system turns where they stand, and one behind the prefill would end it. */
function isPrefill({ turns }: GenerateRequest): boolean {
  return turns.at(-1)?.role === 'assistant'
}
