import type { Thinking, ToolChoice } from '../../contract/request.ts'
import type { ThinkingParam } from '../../wire/anthropic.ts'
import { refuseField } from '../schema-error.ts'

/**
 * @param maxTokens `null` while counting: there is nothing to compare the budget with
 * @throws HeadendError invalid-request: the budget leaves nothing for the answer
 */
export function toThinking(param: ThinkingParam | undefined, maxTokens: number | null, choice: ToolChoice): Thinking {
  const thinking = asked(param, maxTokens)
  // A forced call is constrained from its first token on, which leaves no room for a thought in front of it.
  return choice.kind === 'any' || choice.kind === 'tool' ? { kind: 'off' } : thinking
}

function asked(param: ThinkingParam | undefined, maxTokens: number | null): Thinking {
  switch (param?.type) {
    case undefined:
      return { kind: 'unset' }
    case 'disabled':
    case 'between_tools':
      return { kind: 'off' }
    case 'adaptive':
      return { kind: 'adaptive', shown: isShown(param) }
    case 'enabled': {
      const budgetTokens = param.budget_tokens
      if (maxTokens !== null && budgetTokens >= maxTokens) {
        const remedy = `raise it above ${budgetTokens} or lower the budget`
        throw refuseField('max_tokens', `\`max_tokens\` must be greater than \`thinking.budget_tokens\`; ${remedy}`)
      }
      return { kind: 'budget', budgetTokens, shown: isShown(param) }
    }
    default:
      return param satisfies never
  }
}

function isShown({ display }: ThinkingParam & { readonly type: 'adaptive' | 'enabled' }): boolean {
  return display !== 'omitted'
}

/** Whether the answer's thinking blocks carry their text. What a model thinks unasked is shown, too. */
export function showsThinking(param: ThinkingParam | undefined): boolean {
  return param?.type === 'adaptive' || param?.type === 'enabled' ? isShown(param) : true
}
