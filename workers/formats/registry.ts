import { type ChatTemplate, openTemplate, type TemplateTokens } from './template.ts'

/** How one model wants its conversations written. */
export interface ChatFormat {
  readonly template: ChatTemplate
  readonly source: string
  /** Where a turn ends, for models that have no token for it. */
  readonly stops: readonly string[]
  readonly warning: string | null
}

/** What the choice depends on. */
export interface FormatFacts {
  readonly chatTemplate: string | null
  readonly tokens: TemplateTokens
  /** Whether the vocabulary has this text as a control token. */
  hasControlToken(text: string): boolean
}

/** The model's own template; else ChatML where the vocabulary has its tokens; else a plain-text dialogue. */
export function chooseFormat(facts: FormatFacts): ChatFormat {
  if (facts.chatTemplate === null) return fallback(facts, 'The model file has no chat template')
  try {
    const template = openTemplate(facts.chatTemplate, facts.tokens)
    return { template, source: facts.chatTemplate, stops: [], warning: null }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    return fallback(facts, `The chat template of the model file cannot be used (${reason})`)
  }
}

function fallback(facts: FormatFacts, why: string): ChatFormat {
  const isChatMl = facts.hasControlToken('<|im_start|>') && facts.hasControlToken('<|im_end|>')
  const [name, source, stops] = isChatMl ? (['ChatML', chatMl, []] as const) : (['plain', plain, ['\n### ']] as const)
  const warning = `${why}: prompts are written as ${name} dialogue, and answers may be poor. Use an instruction-tuned model file with a template.`
  return { template: openTemplate(source, facts.tokens), source, stops, warning }
}

const chatMl =
  "{%- for m in messages -%}{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' -}}{%- endfor -%}" +
  "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"

const plain =
  "{{- bos_token -}}{%- for m in messages -%}{{- '### ' + m.role | capitalize + ':\\n' + m.content + '\\n\\n' -}}{%- endfor -%}" +
  "{%- if add_generation_prompt -%}{{- '### Assistant:\\n' -}}{%- endif -%}"
