import { isLoopback } from '../admission/loopback.ts'
import type { OptionName, OptionValues } from './options.ts'
import type { Structures } from './structures.ts'

/** They describe the upstream of `--upstream`, and nothing without it. */
const partsOfUpstream = [
  'upstreamProtocol',
  'upstreamKey',
  'upstreamKeyFile',
  'upstreamPassThrough',
  'upstreamModels',
] as const satisfies readonly OptionName[]

/**
 * Values that are right one by one and wrong together, one sentence for each.
 * @param labelOf what a message calls an option that somebody gave, `null` for one that nobody did
 */
export function* contradictions(
  config: OptionValues & Structures,
  labelOf: (name: OptionName) => string | null,
): Generator<string> {
  if (config.model.length === 0 && config.upstreams.length === 0 && config.models.length === 0) {
    yield 'model: expected at least one model, such as embedded'
  }
  if (config.tlsCert !== null && config.tlsKey === null) yield '--tls-cert needs --tls-key, too'
  if (config.tlsKey !== null && config.tlsCert === null) yield '--tls-key needs --tls-cert, too'
  if (!isLoopback(config.host) && !config.allowAnonymous && config.apiKeyFile === null && config.apiKey.length === 0) {
    yield `--host ${config.host}: without API keys everybody who can connect could use the models; set --api-key-file or HEADEND_API_KEY (headend key makes one), or say --allow-anonymous`
  }
  if (config.bodiesBytesMax < config.bodyBytesMax) {
    yield `--bodies-bytes-max (${config.bodiesBytesMax}) is below --body-bytes-max (${config.bodyBytesMax}): raise the first or lower the second`
  }
  yield* upstreamContradictions(config, labelOf)
}

function* upstreamContradictions(
  config: OptionValues & Structures,
  labelOf: (name: OptionName) => string | null,
): Generator<string> {
  const passing = config.upstreams.find(({ passThroughCredentials }) => passThroughCredentials)
  if (passing !== undefined && (config.apiKeyFile !== null || config.apiKey.length > 0)) {
    yield `upstream ${passing.name} is shown the client's credential, which would be the key of this server: give the upstream a key, or take --api-key-file and HEADEND_API_KEY away`
  }
  for (const name of partsOfUpstream) {
    const label = labelOf(name)
    if (label !== null && config.upstream === null) {
      yield `${label} needs --upstream; what holds for an upstream of the file stands beside its url`
    }
  }
  const ways = [config.upstreamKey, config.upstreamKeyFile, config.upstreamPassThrough || null]
  if (ways.filter((way) => way !== null).length > 1) {
    yield 'give one of HEADEND_UPSTREAM_KEY, --upstream-key-file and --upstream-pass-through'
  }
  if (config.recordSample > 0 && config.record === null)
    yield '--record-sample needs --record, the folder to keep them in'
}
