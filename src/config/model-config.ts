import type { UpstreamQuirks } from '../backends/upstream/settings.ts'
import type { ModelSettings, TargetSettings } from '../model-settings.ts'
import { labelOf, type Written } from './config-file.ts'
import { readQuirks } from './quirk-config.ts'
import { localModel, readTargets, type TargetContext, type TargetDraft, upstreamName } from './target-config.ts'
import { booleanKind, durationKind, integerKind, Refusal, textKind } from './value-kinds.ts'
import { attempt, listOf, namesIn, oneOrMore, type Reader, readGiven, single } from './written-fields.ts'

export interface ModelContext extends TargetContext {
  /** Names that clients may use, and where each was given. */
  readonly namesTaken: Map<string, string>
}

/** `models` of a config file, or a model map. */
export function readModels(written: Written, context: ModelContext, problems: string[]): readonly ModelSettings[] {
  const models: ModelSettings[] = []
  const readers = modelReaders(context)
  const read: Reader<ModelSettings> = (item) => readModel(item, readers, context, problems)
  attempt(written, listOf(read), problems, (list) => models.push(...list))
  return models
}

type ModelReaders = ReturnType<typeof modelReaders>

function modelReaders(context: ModelContext) {
  const name: Reader<string> = (written) => takeName(written, context)
  const tokens = single(integerKind({ min: 1, max: 1_000_000_000 }))
  return {
    id: (written: Written) => takeId(written, context),
    displayName: single(textKind),
    aliases: oneOrMore(name),
    patterns: oneOrMore(name),
    targets: readTargets(context),
    model: single(textKind),
    upstream: upstreamName(context),
    outputTokensMax: tokens,
    contextTokens: tokens,
    supportsStreaming: single(booleanKind),
    quirks: readQuirks,
    system: single(textKind),
    spillAfter: single(durationKind(0)),
    hedgeAfter: single(durationKind(0)),
  }
}

/** Words of the Messages API, and of the model maps that people bring along. */
const synonyms = {
  anthropicId: 'id',
  sfModel: 'model',
  maxTokens: 'outputTokensMax',
  contextWindow: 'contextTokens',
} as const

function readModel(written: Written, readers: ModelReaders, context: ModelContext, problems: string[]): ModelSettings {
  const given = readGiven(written, readers, problems, { required: ['id'], synonyms })
  const { id = '', model, upstream, supportsStreaming } = given
  const names = namesIn(written, readers, { synonyms })
  const isFlat = names.has('model') || names.has('upstream')
  if (isFlat === names.has('targets')) {
    problems.push(`${labelOf(written)}: give either targets, or one model and its upstream`)
  }
  const targets = [...(given.targets ?? [])]
  const readOnly: Reader<TargetDraft> = () => onlyTarget(model ?? id, upstream, context)
  if (isFlat) attempt(written, readOnly, problems, (only) => targets.push(only))
  const quirks = { ...given.quirks, ...(supportsStreaming === undefined ? {} : { streaming: supportsStreaming }) }
  return {
    id,
    displayName: given.displayName ?? null,
    aliases: [...(given.aliases ?? []), ...(given.patterns ?? [])],
    targets: targets.map((target) => complete(target, id, quirks)),
    outputTokensMax: given.outputTokensMax ?? null,
    contextTokens: given.contextTokens ?? null,
    system: given.system ?? null,
    spillAfterMs: given.spillAfter ?? null,
    hedgeAfterMs: given.hedgeAfter ?? null,
  }
}

/** Of an entry without a list of targets: the upstream that it names, the first one there is, or a local model. */
function onlyTarget(model: string, named: string | undefined, context: ModelContext): TargetDraft {
  const upstream = named ?? context.upstreamNames[0]
  if (upstream !== undefined) return { kind: 'upstream', upstream, model, weight: null, quirks: {} }
  return { kind: 'local', model: localModel(model, context), weight: null }
}

/** What the entry says holds for all its targets at upstreams that do not say otherwise. */
function complete(target: TargetDraft, id: string, quirks: Partial<UpstreamQuirks>): TargetSettings {
  if (target.kind === 'local') return target
  return { ...target, model: target.model ?? id, quirks: { ...quirks, ...target.quirks } }
}

function takeId(written: Written, context: ModelContext): string {
  const id = takeName(written, context)
  if (id.includes('*')) throw new Refusal('an id is one name: patterns belong to aliases')
  return id
}

/** One name for two models would hide one of them. */
function takeName(written: Written, { namesTaken }: ModelContext): string {
  const name = single(textKind)(written, [])
  const place = namesTaken.get(name)
  if (place !== undefined) throw new Refusal(`${name} is a name already (${place})`)
  namesTaken.set(name, labelOf(written))
  return name
}
