import type { UpstreamQuirks } from './backends/upstream/settings.ts'

/** One model that clients may ask for, as the configuration describes it. */
export interface ModelSettings {
  readonly id: string
  readonly displayName: string | null
  /** Other names; `*` in one stands for any text. */
  readonly aliases: readonly string[]
  /** In order of preference. Neighbours that have a weight share the load; a later one is tried when those before it cannot answer. */
  readonly targets: readonly TargetSettings[]
  /** The most that it may answer, tokens: larger requests are lowered to it. */
  readonly outputTokensMax: number | null
  /** Prompt and answer together; `null`: as its first target says. */
  readonly contextTokens: number | null
  /** Put before the client's own system text. */
  readonly system: string | null
  /** A target is left for the next one when requests would wait longer there; `null`: `--spill-after-ms`. */
  readonly spillAfterMs: number | null
  /** A second target is asked as well when the first has not begun to answer by then; `null`: `--hedge-after-ms`. */
  readonly hedgeAfterMs: number | null
}

export type TargetSettings = TargetCommon &
  (
    | { readonly kind: 'local' /** Id of a model of `--model`. */; readonly model: string }
    | {
        readonly kind: 'upstream'
        /** Name of the upstream. */
        readonly upstream: string
        /** What the upstream calls it. */
        readonly model: string
        /** Where this target differs from its upstream. */
        readonly quirks: Partial<UpstreamQuirks>
      }
  )

interface TargetCommon {
  /** Share of the load among its neighbours that have a weight, too; `null`: it stands for itself. */
  readonly weight: number | null
}
