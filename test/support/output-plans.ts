import { hermesSyntax } from '../../workers/formats/call-syntax.ts'
import type { CallPlan, OutputPlan, ThinkingPlan } from '../../workers/messages.ts'

export interface PlanOverrides {
  readonly harmony?: string
  readonly thinking?: Partial<ThinkingPlan>
  /** `null`: no calls. */
  readonly calls?: Partial<CallPlan> | null
}

/** How to read the answer of a Hermes-like model: nothing forced, thoughts kept, several calls allowed. */
export function planOf({ harmony, thinking, calls = {} }: PlanOverrides = {}): OutputPlan {
  return {
    harmony: harmony ?? null,
    thinking: { tags: [], startsOpen: false, kept: true, budgetTokens: null, closeTokens: [], ...thinking },
    calls: calls === null ? null : { syntax: hermesSyntax, forced: false, grammar: '', parallel: true, ...calls },
    textGrammar: null,
    bannedTokens: [],
    spokenTokens: [],
  }
}
