import { defaultQuirks, type UpstreamQuirks } from './settings.ts'

/** Providers that refuse or miss what most servers understand, so that naming their URL is enough. */
const quirksByHost: Readonly<Record<string, Partial<UpstreamQuirks>>> = {
  // "Unrecognized request argument supplied: top_k": https://platform.openai.com/docs/api-reference/chat/create
  'api.openai.com': { extraSampling: false },
  // https://openrouter.ai/docs/use-cases/reasoning-tokens
  'openrouter.ai': { thinking: 'reasoning' },
}

/** What holds for an upstream of which the configuration says nothing. */
export function quirksOf(url: string): UpstreamQuirks {
  return { ...defaultQuirks, ...quirksByHost[new URL(url).hostname] }
}
