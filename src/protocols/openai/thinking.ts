import type { Effort, GenerateRequest, ToolChoice } from '../../contract/request.ts'
import type { ChatRequestParam } from '../../wire/openai-inbound.ts'

type Asked = Pick<GenerateRequest, 'thinking' | 'effort'>
type Word = NonNullable<ChatRequestParam['reasoning_effort']>

const unset: Asked = { thinking: { kind: 'unset' }, effort: null }
const off: Asked = { thinking: { kind: 'off' }, effort: null }

/** Tokens. Some models go by the word, the others by the budget. */
const efforts = {
  minimal: { effort: 'low', budgetTokens: 1024 },
  low: { effort: 'low', budgetTokens: 2048 },
  medium: { effort: 'medium', budgetTokens: 8192 },
  high: { effort: 'high', budgetTokens: 16_384 },
  xhigh: { effort: 'xhigh', budgetTokens: 32_768 },
  max: { effort: 'max', budgetTokens: 65_536 },
} as const satisfies Record<Exclude<Word, 'none'>, { readonly effort: Effort; readonly budgetTokens: number }>

/**
 * How much to think: https://platform.openai.com/docs/guides/reasoning
 * @param maxTokens of thought and answer together; half of it is left for the answer
 */
export function toThinking(word: Word | null, maxTokens: number | null, choice: ToolChoice): Asked {
  // A forced call is constrained from its first token on, which leaves no room for a thought in front of it.
  if (word === 'none' || choice.kind === 'any' || choice.kind === 'tool') return off
  if (word === null) return unset
  const { effort, budgetTokens } = efforts[word]
  const budgetMax = maxTokens === null ? budgetTokens : Math.ceil(maxTokens / 2)
  return { thinking: { kind: 'budget', budgetTokens: Math.min(budgetTokens, budgetMax), shown: true }, effort }
}
