import type { CallSyntax } from '../messages.ts'
import type { ThinkingSyntax } from './thinking-syntax.ts'

/**
 * The format of gpt-oss (https://developers.openai.com/cookbook/articles/openai-harmony): an answer is a row of messages, and the
 * header of each tells its channel and, for a call, the tool.
 *
 *     <|channel|>analysis<|message|>...<|end|><|start|>assistant<|channel|>final<|message|>...<|return|>
 *     <|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{...}<|call|>
 */
export const harmonyTokens = ['<|channel|>', '<|message|>', '<|start|>', '<|end|>', '<|constrain|>'] as const

export function isHarmony(templateSource: string): boolean {
  return templateSource.includes('<|channel|>') && templateSource.includes('<|message|>')
}

/** The header of a message to the user, from behind its role. */
export const finalHeader = '<|channel|>final<|message|>'

/** Stands in the header of a call, in front of the tool's name. */
export const recipient = 'to=functions.'

export const harmonyCalls: CallSyntax = {
  trigger: `<|channel|>commentary ${recipient}`,
  anywhere: true,
  beforeName: '',
  beforeArguments: ' <|constrain|>json<|message|>',
  afterArguments: '',
  betweenCalls: null,
}

export const harmonyThinking: ThinkingSyntax = {
  opener: '<|channel|>analysis<|message|>',
  closer: '<|end|>',
  open: '<|channel|>analysis<|message|>',
  close: `<|end|><|start|>assistant${finalHeader}`,
}
