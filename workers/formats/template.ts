import { Template } from '@huggingface/jinja'

/** A message as chat templates know it: https://huggingface.co/docs/transformers/chat_templating */
export interface TemplateMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool'
  readonly content: string
  readonly reasoning_content?: string
  readonly reasoning?: string
  readonly thinking?: string
  readonly tool_calls?: readonly unknown[]
  readonly tool_call_id?: string
  readonly name?: string
}

/** Where a template looks for the thought of an answer: there is no agreement. */
export type ThoughtKey = 'reasoning_content' | 'thinking' | 'reasoning'
const thoughtKeys: readonly ThoughtKey[] = ['reasoning_content', 'thinking', 'reasoning']

export interface TemplateInput {
  readonly messages: readonly TemplateMessage[]
  readonly tools: readonly unknown[]
  readonly thinking: boolean
  /** How much to think, for templates that ask; absent: the template's default. */
  readonly effort?: 'low' | 'medium' | 'high'
  /** The last message is an answer, so no other is begun. */
  readonly answered?: boolean
}

/** @throws Error when the template refuses the conversation */
export type RenderTemplate = (input: TemplateInput) => string

/** How this template treats what it is given; found out by rendering, because templates do not say. */
export interface TemplateTraits {
  /** A leading system message is rendered in front of the conversation, however long that is. */
  readonly system: boolean
  /** A system message between two turns is rendered where it stands, and takes no other's place. */
  readonly systemBetween: boolean
  /** White space around a message's text is cut off. */
  readonly trims: boolean
  /** A user's text may follow the result of a tool. */
  readonly textAfterResult: boolean
  /** `null`: thoughts of earlier answers are not rendered. */
  readonly thoughtKey: ThoughtKey | null
  /** A thought, a text and a call may stand in one answer. */
  readonly thoughtBesideText: boolean
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

  const render: RenderTemplate = ({ messages, tools, thinking, effort, answered = false }) =>
    template.render({
      messages: asParts ? messages.map(withParts) : messages,
      tools: tools.length === 0 ? noTools : tools,
      add_generation_prompt: !answered,
      // Qwen's name for the switch, and DeepSeek's.
      enable_thinking: thinking,
      thinking,
      ...(effort !== undefined && { reasoning_effort: effort }),
      bos_token: bos,
      eos_token: eos,
    })

  const attempt = (messages: readonly TemplateMessage[], answered = false): string => {
    try {
      return render({ messages, tools: [], thinking: answered, answered })
    } catch {
      return '' // a template that raises cannot do it
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
    return attempt([user(probe)]).includes(probe)
  })
  if (works === undefined) throw new Error('it does not render a user message')
  return { traits: readTraits(attempt), render }
}

/** `answered`: the last message is an answer, and thinking is on, so that its thought may show. */
type Attempt = (messages: readonly TemplateMessage[], answered?: boolean) => string

function readTraits(attempt: Attempt): TemplateTraits {
  const spaced = ` \n${probe} \n`
  const [head, first, between] = [system('head7f3a'), user('first7f3a'), system(probe)]
  const turns = [first, assistant('reply7f3a'), user('second7f3a')]
  const showsHead = showsInOrder(attempt([head, ...turns]), [head, ...turns])
  const withSystem = [...(showsHead ? [head] : []), ...turns.slice(0, -1), between, ...turns.slice(-1)]
  const showsThought = (key: ThoughtKey, answer: TemplateMessage): boolean =>
    attempt([first, { ...answer, [key]: probe }], true).includes(probe)
  const thoughtKey =
    thoughtKeys.find((key) => showsThought(key, assistant('reply7f3a'))) ??
    thoughtKeys.find((key) => showsThought(key, calling)) ??
    null
  return {
    system: showsHead,
    systemBetween: showsInOrder(attempt(withSystem), withSystem),
    trims: !attempt([user(spaced)]).includes(spaced),
    textAfterResult: attempt([first, calling, result, user(probe)]).includes(probe),
    thoughtKey,
    thoughtBesideText: thoughtKey !== null && showsThought(thoughtKey, { ...calling, content: 'reply7f3a' }),
  }
}

function showsInOrder(rendered: string, messages: readonly TemplateMessage[]): boolean {
  const places = messages.map(({ content }) => rendered.indexOf(content))
  return places.every((place, index) => place > (places[index - 1] ?? -1))
}

const probe = 'probe7f3a'

function system(content: string): TemplateMessage {
  return { role: 'system', content }
}

function user(content: string): TemplateMessage {
  return { role: 'user', content }
}

function assistant(content: string): TemplateMessage {
  return { role: 'assistant', content }
}

const calling: TemplateMessage = {
  ...assistant(''),
  tool_calls: [{ id: 'call7f3a0', type: 'function', function: { name: 'name7f3a', arguments: {} } }],
}

const result: TemplateMessage = { role: 'tool', tool_call_id: 'call7f3a0', name: 'name7f3a', content: 'd' }

function withParts(message: TemplateMessage): unknown {
  return { ...message, content: [{ type: 'text', text: message.content }] }
}
