import { HeadendError } from '../../contract/errors.ts'
import type { StreamEvent } from '../../contract/events.ts'
import { AnswerAssembler } from './answer-assembler.ts'
import type { AnswerOptions } from './answer-options.ts'

/**
 * Makes events of an answer in one piece: https://platform.openai.com/docs/api-reference/chat/object
 * @throws HeadendError upstream-malformed, or what the upstream says went wrong
 */
export function decodeAnswer(body: Uint8Array, emit: (event: StreamEvent) => void, options: AnswerOptions): void {
  const answer = new AnswerAssembler(emit, options)
  if (!answer.read(parse(body))) {
    throw new HeadendError('upstream-malformed', 'the upstream answered without a choice that holds a message')
  }
  answer.finish()
}

// Making one costs more than decoding a small answer; between whole bodies it keeps nothing.
const utf8 = new TextDecoder()

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(body))
  } catch (cause) {
    const remedy = 'check that its URL leads to an API'
    throw new HeadendError('upstream-malformed', `the upstream answered with something that is not JSON: ${remedy}`, {
      cause,
    })
  }
}
