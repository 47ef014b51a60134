import type { PieceKind } from '../../text/think-tags.ts'
import { type Fields, fieldsOf, textOf } from './fields.ts'

/** What a model thought, where a server keeps it apart from the text; of several fields that repeat it the first. */
export function reasoningOf(fields: Fields): string {
  return textOf(fields.reasoning_content) || textOf(fields.reasoning) || detailsOf(fields.reasoning_details)
}

/** https://openrouter.ai/docs/use-cases/reasoning-tokens: encrypted details have no text. */
function detailsOf(details: unknown): string {
  if (!Array.isArray(details)) return ''
  return details.map((detail) => textOf(fieldsOf(detail)?.text) || textOf(fieldsOf(detail)?.summary)).join('')
}

interface Part {
  readonly kind: PieceKind
  readonly text: string
}

/** Content as a list of parts; Mistral's hold thoughts, too (https://docs.mistral.ai/capabilities/reasoning). */
export function contentParts(content: unknown): readonly Part[] {
  return typeof content === 'string' ? partOf('text', content) : Array.isArray(content) ? content.flatMap(readPart) : []
}

function readPart(part: unknown): readonly Part[] {
  if (typeof part === 'string') return partOf('text', part)
  const fields = fieldsOf(part)
  if (fields === null) return []
  if (fields.type !== 'thinking') return partOf('text', textOf(fields.text))
  const thoughts = contentParts(fields.thinking)
  return partOf('thinking', thoughts.map(({ text }) => text).join(''))
}

function partOf(kind: PieceKind, text: string): readonly Part[] {
  return text === '' ? [] : [{ kind, text }]
}
