import type { GenerateRequest } from '../../src/contract/request.ts'
import { hermesSyntax } from '../../workers/formats/call-syntax.ts'
import type { Segment } from '../../workers/formats/placeholders.ts'
import { renderConversation } from '../../workers/formats/render.ts'
import type { ChatTemplate } from '../../workers/formats/template.ts'

/** A prompt as the tokenizer thread makes it, for models whose template writes calls. */
export function renderPrompt(template: ChatTemplate, request: GenerateRequest): Segment[] {
  const thinking = request.thinking.kind === 'adaptive' || request.thinking.kind === 'budget'
  const options = { thinking, calls: hermesSyntax, nativeCalls: true, parallelCalls: true }
  const { text, held, prefill } = renderConversation(template, request, options)
  return held.split(text + prefill)
}
