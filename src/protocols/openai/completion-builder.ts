import type { HeadendError } from '../../contract/errors.ts'
import type { BlockHead, Usage } from '../../contract/events.ts'
import type { Exchange } from '../../contract/exchange.ts'
import { repairJsonObject } from '../../text/json-prefix.ts'
import type { ChatToolCall } from '../../wire/openai.ts'
import type { Finish } from '../stream-reply.ts'
import { WholeReply } from '../whole-reply.ts'
import { chatUsage, endingOf, newHead } from './completion-fields.ts'
import { refuse } from './error-body.ts'
import { encodeCompletion } from './serializers.ts'

/** The reply for `stream: false`: one completion. */
export class CompletionBuilder extends WholeReply {
  /** As the client named it. */
  readonly #model: string
  #text = ''
  #thought = ''
  #calls: ChatToolCall[] = []

  constructor(exchange: Exchange, model: string) {
    super(exchange)
    this.#model = model
  }

  protected override clear(): void {
    this.#text = ''
    this.#thought = ''
    this.#calls = []
  }

  protected override addBlock(head: BlockHead, text: string): void {
    switch (head.kind) {
      case 'text':
        this.#text += text
        break
      case 'thinking':
        this.#thought += text
        break
      case 'tool-call': {
        const called = { name: head.name, arguments: JSON.stringify(repairJsonObject(text)) }
        this.#calls.push({ id: head.id, type: 'function', function: called })
        break
      }
      default:
        head satisfies never
    }
  }

  protected override encode(event: Finish, usage: Usage): string {
    const calls = this.#calls
    const message = {
      role: 'assistant' as const,
      content: this.#text === '' && calls.length > 0 ? null : this.#text,
      refusal: this.#text === '' ? event.explanation : null, // what a model says itself is in the text
      ...(this.#thought !== '' && { reasoning_content: this.#thought }),
      ...(calls.length > 0 && { tool_calls: calls }),
    }
    return encodeCompletion({
      ...newHead(this.#model),
      object: 'chat.completion',
      choices: [{ index: 0, message, logprobs: null, ...endingOf(event) }],
      usage: chatUsage(usage),
    })
  }

  protected override refuse(error: HeadendError): void {
    refuse(this.exchange, error)
  }
}
