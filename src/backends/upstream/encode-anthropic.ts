import { createHash } from 'node:crypto'
import type { GenerateRequest, Thinking, Tool, ToolChoice } from '../../contract/request.ts'
import type { MessagesRequest, ThinkingParam, ToolChoiceParam, ToolParam } from '../../wire/anthropic.ts'
import { encodeAnthropicMessages, encodeMark } from './encode-anthropic-messages.ts'
import type { ImageTally } from './encode-content.ts'
import type { UpstreamQuirks } from './settings.ts'
import { estimateTokens } from './token-estimate.ts'

export interface EncodedAnthropicRequest {
  readonly body: string
  /** Estimated. */
  readonly promptTokens: number
}

/**
 * A request as the Messages API takes it, for what cannot be relayed as bytes: https://docs.anthropic.com/en/api/messages
 * Of the quirks those that are about chat completions count for nothing: cache marks, efforts and stop sequences are part of this
 * protocol.
 * @throws HeadendError invalid-request: what this upstream cannot take
 */
export function encodeAnthropicRequest(request: GenerateRequest, quirks: UpstreamQuirks): EncodedAnthropicRequest {
  const images: ImageTally = { count: 0, characters: 0 }
  const messages = encodeAnthropicMessages(request, quirks, images)
  const { messages: _, tools: extraTools, ...extra } = quirks.extraBody
  const tools = extraTools ?? (request.tools.length > 0 ? encodeTools(request.tools, quirks) : undefined)
  const system = encodeSystem(request)
  // Apart from the rest, because the estimate goes by their length: everything is serialised once.
  const messagesJson = JSON.stringify(messages)
  const toolsJson = tools === undefined ? '' : JSON.stringify(tools)
  const systemJson = system === null || extra.system !== undefined ? '' : JSON.stringify(system)
  const head = JSON.stringify({ ...headOf(request, quirks), ...extra, ...whatHeadendSays(request, quirks) })
  const systemField = systemJson === '' ? '' : `,"system":${systemJson}`
  const toolsField = toolsJson === '' ? '' : `,"tools":${toolsJson}`
  return {
    body: `${head.slice(0, -1)}${systemField}${toolsField},"messages":${messagesJson}}`,
    promptTokens: estimateTokens({
      messagesBytes: Buffer.byteLength(messagesJson) + Buffer.byteLength(systemJson),
      messageCount: messages.length,
      toolsBytes: Buffer.byteLength(toolsJson),
      imageCount: images.count,
      imageBytes: images.characters,
    }),
  }
}

/** What the configuration's `extraBody` cannot change. */
function whatHeadendSays({ model, stream }: GenerateRequest, { streaming }: UpstreamQuirks): Partial<MessagesRequest> {
  return { model, stream: stream && streaming }
}

function headOf(request: GenerateRequest, quirks: UpstreamQuirks): Partial<MessagesRequest> {
  const { stopSequences, userId } = request
  return {
    model: request.model, // in front, where the next headend's splice looks first
    max_tokens: maxTokensOf(request, quirks),
    ...(stopSequences.length > 0 && { stop_sequences: [...stopSequences] }),
    ...(quirks.sampling && samplingOf(request)),
    ...(request.tools.length > 0 && { tool_choice: encodeToolChoice(request.toolChoice) }),
    ...(quirks.thinking !== 'none' && thinkingOf(request, quirks)),
    ...outputConfigOf(request, quirks),
    ...(quirks.sendsUser && userId !== null && { metadata: { user_id: hashed(userId) } }),
  }
}

function encodeSystem({ system }: GenerateRequest): object[] | null {
  if (system.length === 0) return null
  return system.map(({ text, cacheMark }) => ({ type: 'text', text, ...encodeMark(cacheMark) }))
}

function encodeTools(tools: readonly Tool[], { strictTools }: UpstreamQuirks): (ToolParam & { strict?: boolean })[] {
  return tools.map(({ name, description, inputSchema, strict, cacheMark }) => ({
    name,
    ...(description !== null && { description }),
    // Other protocols take a schema without a type, or none at all.
    input_schema: inputSchema.type === 'object' ? inputSchema : { ...inputSchema, type: 'object' },
    ...(strict && strictTools && { strict }),
    ...encodeMark(cacheMark),
  }))
}

function encodeToolChoice(choice: ToolChoice): ToolChoiceParam {
  if (choice.kind === 'none') return { type: 'none' }
  const calls = choice.parallel ? {} : { disable_parallel_tool_use: true }
  return choice.kind === 'tool' ? { type: 'tool', name: choice.name, ...calls } : { type: choice.kind, ...calls }
}

/** For clients that name no limit, where this protocol must have one: as coding clients ask for, and all current models take. */
const answerTokens = 32_000

function maxTokensOf({ maxTokens, thinking }: GenerateRequest, { outputTokensMax }: UpstreamQuirks): number {
  const asked = maxTokens ?? answerTokens + (thinking.kind === 'budget' ? thinking.budgetTokens : 0)
  return Math.min(asked, outputTokensMax ?? Number.POSITIVE_INFINITY)
}

/** Other protocols' temperatures go up to 2. The others are unknown here. */
function samplingOf({ sampling: { temperature, topP, topK } }: GenerateRequest): Partial<MessagesRequest> {
  return {
    ...(temperature !== null && { temperature: Math.min(temperature, 1) }),
    ...(topP !== null && { top_p: topP }),
    ...(topK !== null && { top_k: topK }),
  }
}

function thinkingOf(request: GenerateRequest, quirks: UpstreamQuirks): { thinking?: ThinkingParam } {
  const { toolChoice, thinking } = request
  const isForced = toolChoice.kind === 'any' || toolChoice.kind === 'tool'
  // The hosted API refuses the two together.
  if (isForced && thinking.kind !== 'off') return {}
  const param = encodeThinking(thinking, maxTokensOf(request, quirks))
  return param === null ? {} : { thinking: param }
}

/** https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking: no budget may be smaller. */
const budgetTokensMin = 1024

function encodeThinking(thinking: Thinking, maxTokens: number): ThinkingParam | null {
  switch (thinking.kind) {
    case 'unset':
      return null
    case 'off':
      return { type: 'disabled' }
    case 'adaptive':
      return { type: 'adaptive', ...encodeDisplay(thinking.shown) }
    case 'budget': {
      // Where the limit was lowered, half of it is left for the answer.
      const budget = thinking.budgetTokens < maxTokens ? thinking.budgetTokens : Math.floor(maxTokens / 2)
      if (budget < budgetTokensMin) return null
      return { type: 'enabled', budget_tokens: budget, ...encodeDisplay(thinking.shown) }
    }
    default:
      return thinking satisfies never
  }
}

function encodeDisplay(shown: boolean): { display?: 'omitted' } {
  return shown ? {} : { display: 'omitted' }
}

function outputConfigOf(request: GenerateRequest, quirks: UpstreamQuirks): Pick<MessagesRequest, 'output_config'> {
  const effort = quirks.thinking === 'none' ? null : request.effort
  const schema = request.outputSchema
  if (effort === null && schema === null) return {}
  return {
    output_config: {
      ...(effort !== null && { effort }),
      ...(schema !== null && { format: { type: 'json_schema', schema } }),
    },
  }
}

/** Who it is remains with us. */
function hashed(userId: string): string {
  return createHash('sha256').update(userId).digest('hex')
}
