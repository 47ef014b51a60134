import { Template } from '@huggingface/jinja'

/** A message as chat templates know it: https://huggingface.co/docs/transformers/chat_templating */
export interface TemplateMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool'
  readonly content: string
  readonly reasoning_content?: string
  readonly tool_calls?: readonly unknown[]
  readonly tool_call_id?: string
  readonly name?: string
}

export interface TemplateInput {
  readonly messages: readonly TemplateMessage[]
  readonly tools: readonly unknown[]
  readonly thinking: boolean
}

/** How this template treats what it is given; found out by rendering, because templates do not say. */
export interface TemplateTraits {
  /** A leading system message is rendered. */
  readonly system: boolean
  /** A system message between two turns is rendered where it stands. */
  readonly systemBetween: boolean
  /** White space around a message's text is cut off. */
  readonly trims: boolean
}

export interface ChatTemplate {
  readonly traits: TemplateTraits
  /** @throws Error when the template refuses the conversation */
  render(input: TemplateInput): string
}

export interface TemplateTokens {
  readonly bos: string
  readonly eos: string
}

/** @throws Error when the source is no template, or one that cannot render a single user message */
export function openTemplate(source: string, { bos, eos }: TemplateTokens): ChatTemplate {
  const template = new Template(source)
  // Some templates take a message's content only as a list of parts.
  let asParts = false

  const render = ({ messages, tools, thinking }: TemplateInput): string =>
    template.render({
      messages: asParts ? messages.map(withParts) : messages,
      tools: tools.length === 0 ? null : tools,
      add_generation_prompt: true,
      enable_thinking: thinking,
      bos_token: bos,
      eos_token: eos,
    })

  const shows = (messages: readonly TemplateMessage[], text: string): boolean => {
    try {
      return render({ messages, tools: [], thinking: false }).includes(text)
    } catch {
      return false
    }
  }

  if (!shows([user(probe)], probe)) {
    asParts = true
    if (!shows([user(probe)], probe)) throw new Error('it does not render a user message')
  }
  const spaced = ` \n${probe} \n`
  const traits = {
    system: shows([{ role: 'system', content: probe }, user('a')], probe),
    systemBetween: shows([user('a'), assistant('b'), { role: 'system', content: probe }, user('c')], probe),
    trims: !shows([user(spaced)], spaced),
  }
  return { traits, render }
}

const probe = 'probe7f3a'

function user(content: string): TemplateMessage {
  return { role: 'user', content }
}

function assistant(content: string): TemplateMessage {
  return { role: 'assistant', content }
}

function withParts(message: TemplateMessage): unknown {
  return { ...message, content: [{ type: 'text', text: message.content }] }
}
