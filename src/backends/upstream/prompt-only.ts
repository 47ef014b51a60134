import type { StreamEvent } from '../../contract/events.ts'

/**
 * `max_tokens: 0` means: read the prompt, answer nothing. Most upstreams refuse 0, so they are asked for one token, which is dropped
 * here with the blocks that it would open.
 */
export function withoutAnswer(emit: (event: StreamEvent) => void): (event: StreamEvent) => void {
  return (event) => {
    switch (event.type) {
      case 'start':
        emit(event)
        return
      case 'finish': {
        const usage = event.usage === null ? null : { ...event.usage, outputTokens: 0, thinkingTokens: null }
        emit({ type: 'finish', reason: 'max-tokens', stopSequence: null, explanation: null, usage })
        return
      }
      case 'block-start':
      case 'block-delta':
      case 'block-end':
        return
      default:
        event satisfies never
    }
  }
}
