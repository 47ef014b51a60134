import type { UpstreamQuirks } from '../backends/upstream/settings.ts'
import { labelOf, type Written } from './config-file.ts'
import { nearest } from './nearest.ts'
import { readQuirks } from './quirk-config.ts'
import { numberKind, Refusal, textKind } from './value-kinds.ts'
import { listOf, namesIn, type Reader, readGiven, single } from './written-fields.ts'

/** What targets may name. */
export interface TargetContext {
  readonly upstreamNames: readonly string[]
  /** Ids of the local models; `null`: not all of them are known before the files are looked at. */
  readonly localIds: readonly string[] | null
}

/** A target before it is known which entry it belongs to. */
export type TargetDraft =
  | { readonly kind: 'local'; readonly model: string; readonly weight: number | null }
  | {
      readonly kind: 'upstream'
      readonly upstream: string
      /** `null`: the upstream calls it as clients do. */
      readonly model: string | null
      readonly weight: number | null
      readonly quirks: Partial<UpstreamQuirks>
    }

export function readTargets(context: TargetContext): Reader<readonly TargetDraft[]> {
  const readers = targetReaders(context)
  const readList = listOf((written, problems) => readTarget(written, readers, problems))
  return (written, problems) => {
    if (written.items()?.length === 0) throw new Refusal('expected at least one target')
    return readList(written, problems).filter((target) => target !== null)
  }
}

/** The name of an upstream that there is. */
export function upstreamName({ upstreamNames }: TargetContext): Reader<string> {
  return single({
    accepts: 'the name of an upstream',
    parse(input) {
      const name = textKind.parse(input)
      if (upstreamNames.includes(name)) return name
      throw new Refusal(`no upstream is named '${name}'; ${thereIs(name, upstreamNames, 'name it under upstreams')}`)
    },
  })
}

/** The id, unless it is clear already that no local model has it. @throws Refusal */
export function localModel(id: string, { localIds }: TargetContext): string {
  if (localIds === null || localIds.includes(id)) return id
  throw new Refusal(`no local model is named '${id}'; ${thereIs(id, localIds, 'say --model embedded, or another one')}`)
}

type TargetReaders = ReturnType<typeof targetReaders>

function targetReaders(context: TargetContext) {
  return {
    upstream: upstreamName(context),
    local: single({ accepts: 'the id of a local model', parse: (input) => localModel(textKind.parse(input), context) }),
    model: single(textKind),
    weight: single(numberKind({ min: 0.001, max: 1000 })),
    quirks: readQuirks,
  }
}

/** `null`: it cannot be used, and why is noted. */
function readTarget(written: Written, readers: TargetReaders, problems: string[]): TargetDraft | null {
  const given = readGiven(written, readers, problems)
  const { upstream, local, model = null, weight = null, quirks = {} } = given
  const names = namesIn(written, readers)
  if (names.has('local') === names.has('upstream')) {
    problems.push(`${labelOf(written)}: needs either upstream or local`)
  } else if (names.has('local') && (names.has('model') || names.has('quirks'))) {
    problems.push(`${labelOf(written)}: model and quirks are for targets at an upstream`)
  }
  if (local !== undefined) return { kind: 'local', model: local, weight }
  return upstream === undefined ? null : { kind: 'upstream', upstream, model, weight, quirks }
}

function thereIs(name: string, known: readonly string[], remedy: string): string {
  if (known.length === 0) return `there is none: ${remedy}`
  const guess = nearest(name, known)
  return `there is ${known.join(', ')}${guess === null ? '' : ` (did you mean ${guess}?)`}`
}
