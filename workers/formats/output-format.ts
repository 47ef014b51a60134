import type { CallSyntax } from '../messages.ts'
import { hermesSyntax, readCallSyntax, rendersParallelCalls, rendersTools } from './call-syntax.ts'
import type { ChatFormat } from './registry.ts'
import { readThinkingSyntax, type ThinkingSyntax } from './thinking-syntax.ts'
import type { Vocabulary } from './vocabulary.ts'

/** What one model's format says about answers. */
export interface OutputFormat {
  readonly calls: CallSyntax
  /** `false`: the template knows no calls that could be read back, so the model is told in words how to write them. */
  readonly nativeCalls: boolean
  readonly parallelCalls: boolean
  /** `null`: nothing shows that this model thinks. */
  readonly thinking: ThinkingSyntax | null
}

export function readOutputFormat({ template, source }: ChatFormat, vocabulary: Vocabulary): OutputFormat {
  const { render } = template
  const native = rendersTools(render) ? readCallSyntax(render, vocabulary) : null
  return {
    calls: native ?? hermesSyntax,
    nativeCalls: native !== null,
    parallelCalls: native === null || rendersParallelCalls(render),
    thinking: readThinkingSyntax(render, source),
  }
}
