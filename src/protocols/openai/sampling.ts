import type { Penalties, Sampling } from '../../contract/request.ts'
import type { ChatRequestParam } from '../../wire/openai-inbound.ts'
import { excerpt, refuseField } from '../schema-error.ts'
import { refuseHalfCharacters } from '../stop-sequences.ts'

/** @throws HeadendError invalid-request: a bias of what is no token */
export function toSampling(wire: ChatRequestParam): Sampling {
  return {
    temperature: wire.temperature ?? null,
    topP: wire.top_p ?? null,
    topK: wire.top_k == null ? null : Math.max(0, wire.top_k), // both 0 and -1 say: all of them
    minP: wire.min_p ?? null,
    seed: wire.seed ?? null,
    penalties: penaltiesOf(wire),
    logitBias: logitBiasOf(wire.logit_bias),
  }
}

function penaltiesOf({
  repeat_penalty: repeat,
  frequency_penalty: frequency,
  presence_penalty: presence,
}: ChatRequestParam): Penalties | null {
  if (repeat == null && frequency == null && presence == null) return null
  return { repeat: repeat ?? null, frequency: frequency ?? null, presence: presence ?? null }
}

function logitBiasOf(bias: ChatRequestParam['logit_bias']): Sampling['logitBias'] {
  if (bias == null) return null
  const tokens = Object.keys(bias)
  const wrong = tokens.find((token) => !/^\d{1,9}$/.test(token))
  if (wrong !== undefined) {
    throw refuseField(
      `logit_bias.${excerpt(wrong)}`,
      "the key should be the number of a token of this model's vocabulary",
    )
  }
  return tokens.length === 0 ? null : (bias as Readonly<Record<string, number>>)
}

/**
 * Empty ones, which some clients send for none, would match everywhere.
 * @throws HeadendError invalid-request
 */
export function toStopSequences(stop: ChatRequestParam['stop']): readonly string[] {
  if (stop == null) return []
  if (typeof stop === 'string') return toStopSequences([stop])
  for (const [index, sequence] of stop.entries()) refuseHalfCharacters(sequence, `stop.${index}`)
  return stop.filter((sequence) => sequence !== '')
}
