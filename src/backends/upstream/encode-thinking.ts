import type { Effort, GenerateRequest } from '../../contract/request.ts'
import type { ChatRequest, ReasoningEffort } from '../../wire/openai.ts'
import type { UpstreamQuirks } from './settings.ts'

type ThinkingFields = Pick<ChatRequest, 'reasoning_effort' | 'chat_template_kwargs' | 'thinking' | 'reasoning'>
type Asked = Pick<GenerateRequest, 'thinking' | 'effort'>

/** Thinking and effort in the words of this upstream (api-surface.md 6). Of a client that says nothing, nothing is sent. */
export function encodeThinking(request: Asked, quirks: UpstreamQuirks): ThinkingFields {
  switch (quirks.thinking) {
    case 'reasoning_effort':
      return asEffort(request, quirks)
    case 'chat_template_kwargs':
      return asTemplateArguments(request, quirks)
    case 'thinking':
      return asSwitch(request)
    case 'reasoning':
      return asReasoning(request, quirks)
    case 'none':
      return {}
    default:
      return quirks.thinking satisfies never
  }
}

/**
 * https://platform.openai.com/docs/api-reference/chat/create#chat-create-reasoning_effort
 * There is no word for off that most servers take: `none` is refused by many that know the field. What is thought all the same is
 * dropped from the answer.
 */
function asEffort({ thinking, effort }: Asked, quirks: UpstreamQuirks): ThinkingFields {
  if (thinking.kind === 'off') return {}
  if (effort !== null) return { reasoning_effort: known(effort, quirks) }
  return thinking.kind === 'budget' ? { reasoning_effort: effortOf(thinking.budgetTokens) } : {}
}

/** Arguments of the template, which ignores what it does not know: Qwen's reads the first, gpt-oss's the second. */
function asTemplateArguments({ thinking, effort }: Asked, quirks: UpstreamQuirks): ThinkingFields {
  const isOff = thinking.kind === 'off'
  const switched = thinking.kind === 'unset' ? {} : { enable_thinking: !isOff }
  const graded = effort === null || isOff ? {} : { reasoning_effort: known(effort, quirks) }
  const fields = { ...switched, ...graded }
  return Object.keys(fields).length === 0 ? {} : { chat_template_kwargs: fields }
}

/** https://api-docs.deepseek.com/guides/thinking_mode, and in the same words those of Anthropic, Kimi and GLM */
function asSwitch({ thinking }: Asked): ThinkingFields {
  switch (thinking.kind) {
    case 'unset':
      return {}
    case 'off':
      return { thinking: { type: 'disabled' } }
    case 'adaptive':
      return { thinking: { type: 'enabled' } }
    case 'budget':
      return { thinking: { type: 'enabled', budget_tokens: thinking.budgetTokens } }
    default:
      return thinking satisfies never
  }
}

/** https://openrouter.ai/docs/use-cases/reasoning-tokens: a budget or an effort, not both */
function asReasoning({ thinking, effort }: Asked, quirks: UpstreamQuirks): ThinkingFields {
  if (thinking.kind === 'off') return { reasoning: { enabled: false } }
  if (thinking.kind === 'budget') return { reasoning: { max_tokens: thinking.budgetTokens } }
  if (effort !== null) return { reasoning: { effort: known(effort, quirks) } }
  return thinking.kind === 'adaptive' ? { reasoning: { enabled: true } } : {}
}

function known(effort: Effort, { highEfforts }: UpstreamQuirks): ReasoningEffort {
  return highEfforts || (effort !== 'xhigh' && effort !== 'max') ? effort : 'high'
}

function effortOf(budgetTokens: number): ReasoningEffort {
  if (budgetTokens <= 2048) return 'low'
  return budgetTokens <= 8192 ? 'medium' : 'high'
}
