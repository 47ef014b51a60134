import type { HeadendError } from '../../contract/errors.ts'
import type { UpstreamQuirks } from './settings.ts'

/** Words by which servers say that they do not take a field, rather than that its value is wrong. */
const refusal =
  /unsupported|not (?:supported|permitted|allowed)|does not support|unrecognized|unknown|unexpected|extra /i

/** `max_tokens` is wrong, and the message says what is right: https://platform.openai.com/docs/api-reference/chat/create */
const otherLimit = /\buse\W+max_completion_tokens\b/i

/** The value is wrong, and another one may be right. */
const otherValue = /unsupported value|does not support '/i

/** What goes without the field. */
const lessons: readonly { readonly field: RegExp; readonly quirks: Partial<UpstreamQuirks> }[] = [
  { field: /\breasoning_effort\b/, quirks: { thinking: 'none' } },
  { field: /\bfunction\.strict\b|'strict'/, quirks: { strictTools: false } },
  { field: /\bstream_options\b/, quirks: { streamOptions: false } },
  { field: /\b(?:top_k|min_p|seed|repeat_penalty)\b/, quirks: { extraSampling: false } },
  { field: /\b(?:temperature|top_p|frequency_penalty|presence_penalty|logit_bias)\b/, quirks: { sampling: false } },
]

/**
 * What a refusal tells of the server, so that the next request leaves out what nobody can know beforehand: models behind one URL differ.
 * @returns what is to be changed; `null`: the request itself is at fault
 */
export function learnFrom(error: HeadendError, quirks: UpstreamQuirks): Partial<UpstreamQuirks> | null {
  if (error.kind !== 'invalid-request') return null
  const { message } = error
  if (quirks.maxTokensField === 'auto' && otherLimit.test(message)) return { maxTokensField: 'max_completion_tokens' }
  if (!refusal.test(message)) return null
  if (quirks.maxTokensField === 'auto' && /\bmax_tokens\b/.test(message))
    return { maxTokensField: 'max_completion_tokens' }
  const lesson = lessons.find(({ field }) => field.test(message))?.quirks ?? null
  if (lesson?.thinking !== undefined && otherValue.test(message)) return null // another effort may be known
  return lesson === null || isKnown(lesson, quirks) ? null : lesson
}

function isKnown(lesson: Partial<UpstreamQuirks>, quirks: UpstreamQuirks): boolean {
  const known: Readonly<Record<string, unknown>> = { ...quirks }
  return Object.entries(lesson).every(([name, value]) => known[name] === value)
}
