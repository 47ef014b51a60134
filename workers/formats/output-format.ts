import type { CallSyntax } from '../messages.ts'
import { hermesSyntax, readCallSyntax, rendersParallelCalls, rendersTools } from './call-syntax.ts'
import { harmonyCalls, harmonyThinking, isHarmony } from './harmony.ts'
import type { ChatFormat } from './registry.ts'
import { readThinkingSyntax, type ThinkingSyntax } from './thinking-syntax.ts'
import type { Vocabulary } from './vocabulary.ts'

/** What one model's format says about answers. */
export interface OutputFormat {
  /** Answers are rows of messages with channels, as gpt-oss writes them. */
  readonly harmony: boolean
  readonly calls: CallSyntax
  /** `false`: the template knows no calls that could be read back, so the model is told in words how to write them. */
  readonly nativeCalls: boolean
  readonly parallelCalls: boolean
  /** `null`: nothing shows that this model thinks. */
  readonly thinking: ThinkingSyntax | null
}

type Markers = Pick<Vocabulary, 'specials' | 'turnEnds'>

export function readOutputFormat({ template, source }: ChatFormat, markers: Markers): OutputFormat {
  const { render, traits } = template
  if (isHarmony(source)) {
    return { harmony: true, calls: harmonyCalls, nativeCalls: true, parallelCalls: false, thinking: harmonyThinking }
  }
  const native = rendersTools(render) ? readCallSyntax(render, markers) : null
  return {
    harmony: false,
    calls: native ?? hermesSyntax,
    nativeCalls: native !== null,
    parallelCalls: native === null || rendersParallelCalls(render),
    thinking: readThinkingSyntax(render, source, traits.thoughtKey),
  }
}
