import type { Backend } from '../../contract/backend.ts'
import type { TargetParts } from './target-parts.ts'

/** What targets of all protocols have in common: most of it is their upstream's. */
export function upstreamTarget(
  { settings, model, lane, exists, ready, facts }: TargetParts,
  own: Pick<Backend, 'prepare' | 'countTokens' | 'generate' | 'relay'>,
): Backend {
  return {
    name: `${settings.name}/${model}`,
    lane,
    get exists() {
      return exists()
    },
    get ready() {
      return ready()
    },
    facts,
    status: () => ({ kind: 'upstream', upstream: settings.name }),
    close: async () => {},
    destroy: async () => {},
    ...own,
  }
}
