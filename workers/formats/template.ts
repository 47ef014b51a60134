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
  /** The last message is an answer, so no other is begun. */
  readonly answered?: boolean
}

/** @throws Error when the template refuses the conversation */
export type RenderTemplate = (input: TemplateInput) => string

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
  readonly render: RenderTemplate
}

export interface TemplateTokens {
  readonly bos: string
  readonly eos: string
}

/** @throws Error when the source is no template, or one that cannot render a single user message */
export function openTemplate(source: string, { bos, eos }: TemplateTokens): ChatTemplate {
  const template = new Template(source)
  // Some templates take a message's content only as a list of parts, and some loop over tools that are not there.
  let asParts = false
  let noTools: readonly unknown[] | null = null

  const render: RenderTemplate = ({ messages, tools, thinking, answered = false }) =>
    template.render({
      messages: asParts ? messages.map(withParts) : messages,
      tools: tools.length === 0 ? noTools : tools,
      add_generation_prompt: !answered,
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

  const forms = [
    [false, null],
    [true, null],
    [false, []],
    [true, []],
  ] as const
  const works = forms.find(([parts, none]) => {
    asParts = parts
    noTools = none
    return shows([user(probe)], probe)
  })
  if (works === undefined) throw new Error('it does not render a user message')
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
