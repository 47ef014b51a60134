import type { Lane, ModelFacts } from '../../contract/backend.ts'
import type { UpstreamClient } from './client.ts'
import type { Recorder } from './recorder.ts'
import type { UpstreamQuirks, UpstreamSettings } from './settings.ts'

/** What a target needs of its upstream. */
export interface TargetParts {
  readonly settings: UpstreamSettings
  readonly client: UpstreamClient
  readonly lane: Lane
  readonly recorder: Recorder | null
  readonly model: string
  readonly quirks: UpstreamQuirks
  facts(): ModelFacts
  exists(): boolean | null
  ready(): boolean
}
