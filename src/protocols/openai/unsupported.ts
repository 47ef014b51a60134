import type { ChatRequestParam } from '../../wire/openai-inbound.ts'
import { excerpt, refuseField } from '../schema-error.ts'

/**
 * Ignoring one of them would change what the answer holds.
 * @throws HeadendError invalid-request
 */
export function refuseUnsupported(wire: ChatRequestParam): void {
  if (wire.n != null && wire.n !== 1) throw refuseField('n', 'this server gives one choice; leave it out or send 1')
  if (wire.logprobs === true || (wire.top_logprobs ?? 0) > 0) {
    throw refuseField(
      wire.logprobs === true ? 'logprobs' : 'top_logprobs',
      'not supported by this server; leave it out',
    )
  }
  const other = wire.modalities?.find((modality) => modality !== 'text')
  if (other !== undefined) {
    throw refuseField('modalities', `'${excerpt(String(other))}' is not supported by this server; send ['text']`)
  }
  if (wire.audio != null) throw refuseField('audio', 'not supported by this server; leave it out')
}
