import type { Exchange } from '../../contract/exchange.ts'
import { type CountRequest, generationSchema, type MessagesRequest, promptSchema } from '../../wire/anthropic.ts'
import { excerpt, refuseField } from '../schema-error.ts'
import { hostedKeys, isAsked } from './hosted-fields.ts'
import { checkBlocks, refuseManyMarks, refuseTrailingSpace } from './strict-blocks.ts'
import { checkVersionHeaders, isNewestVersion } from './version.ts'

/** What a mode refuses beyond what no mode takes. Each throws HeadendError invalid-request. */
export interface Rules {
  checkHeaders(exchange: Exchange): void
  /** Of both routes; after the schema. */
  checkShape(wire: CountRequest): void
  /** As `checkShape`, for the fields that a counting request ignores. */
  checkGeneration(wire: MessagesRequest, exchange: Exchange): void
  checkMeaning(wire: CountRequest, exchange: Exchange): void
  /** See `GenerateRequest`. */
  readonly outputMustFit: boolean
}

const nothing = (): void => {}

/** What real clients send is accepted, also where the hosted API would refuse it. */
export const lenientRules: Rules = {
  checkHeaders: nothing,
  checkShape: nothing,
  checkGeneration: nothing,
  checkMeaning: nothing,
  outputMustFit: false,
}

/** `--strict`: the refusals of the hosted API, for those who test a client against it. */
export const strictRules: Rules = {
  checkHeaders: checkVersionHeaders,
  checkShape: refuseUnknownKeys,
  checkGeneration(wire, exchange) {
    if (isNewestVersion(exchange)) refuseSampling(wire)
  },
  checkMeaning(wire, exchange) {
    refuseForcedThinking(wire)
    refuseTrailingSpace(wire.messages)
    checkBlocks(wire.messages, isNewestVersion(exchange))
    refuseManyMarks(wire)
  },
  outputMustFit: true,
}

const notPermitted = 'Extra inputs are not permitted'

const knownKeys: ReadonlySet<string> = new Set([
  ...Object.keys(promptSchema.properties),
  ...Object.keys(generationSchema.properties),
  'compaction',
])

function refuseUnknownKeys(wire: CountRequest): void {
  for (const key in wire) {
    if (!knownKeys.has(key)) throw refuseField(excerpt(key), notPermitted)
  }
  // What they ask for is refused in its own words later, in both modes; empty they are only out of place.
  for (const key of hostedKeys) {
    if (wire[key] !== undefined && !isAsked(wire[key])) throw refuseField(key, notPermitted)
  }
}

function refuseSampling(wire: MessagesRequest): void {
  for (const key of ['temperature', 'top_p', 'top_k'] as const) {
    if (wire[key] !== undefined) throw refuseField(key, notPermitted)
  }
}

function refuseForcedThinking({ thinking, tool_choice }: CountRequest): void {
  const isForced = tool_choice?.type === 'any' || tool_choice?.type === 'tool'
  if (!isForced || (thinking?.type !== 'enabled' && thinking?.type !== 'adaptive')) return
  throw refuseField('thinking', 'Thinking may not be enabled when tool_choice forces tool use.')
}
