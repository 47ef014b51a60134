import type {
  ChatAssistantMessage,
  ChatContent,
  ChatMessage,
  ChatPart,
  ChatTool,
  ChatToolCall,
} from '../../wire/openai.ts'
import type { JsonTexts } from './json-texts.ts'

/** Messages and tools as JSON, and what of it a model reads. Written by hand, so that long texts need not be escaped again. */
export class RequestWriter {
  /** Of the texts so far, as a model reads them: unescaped, and without images. */
  textBytes = 0
  readonly #texts: JsonTexts

  constructor(texts: JsonTexts) {
    this.#texts = texts
  }

  messages(messages: readonly ChatMessage[]): string {
    let json = '['
    for (const message of messages) json += `${json === '[' ? '' : ','}${this.#message(message)}`
    return `${json}]`
  }

  tools(tools: readonly ChatTool[]): string {
    let json = '['
    for (const tool of tools) json += `${json === '[' ? '' : ','}${this.#tool(tool)}`
    return `${json}]`
  }

  #message(message: ChatMessage): string {
    switch (message.role) {
      case 'system':
      case 'developer':
      case 'user':
        return `{"role":"${message.role}","content":${this.#content(message.content)}}`
      case 'tool': {
        const id = JSON.stringify(message.tool_call_id)
        return `{"role":"tool","tool_call_id":${id},"content":${this.#content(message.content)}}`
      }
      case 'assistant':
        return this.#assistant(message)
      default:
        return message satisfies never
    }
  }

  #assistant({ content, reasoning, reasoning_content, tool_calls }: ChatAssistantMessage): string {
    let json = `{"role":"assistant","content":${content === null ? 'null' : this.#content(content)}`
    if (reasoning !== undefined) json += `,"reasoning":${this.#text(reasoning)}`
    if (reasoning_content !== undefined) json += `,"reasoning_content":${this.#text(reasoning_content)}`
    if (tool_calls !== undefined) json += `,"tool_calls":[${tool_calls.map((call) => this.#call(call)).join()}]`
    return `${json}}`
  }

  #call({ id, function: called }: ChatToolCall): string {
    const name = this.#text(called.name)
    return `{"id":${JSON.stringify(id)},"type":"function","function":{"name":${name},"arguments":${this.#text(called.arguments)}}}`
  }

  #content(content: ChatContent): string {
    return typeof content === 'string' ? this.#text(content) : `[${content.map((part) => this.#part(part)).join()}]`
  }

  #part(part: ChatPart): string {
    const control = part.cache_control === undefined ? '' : `,"cache_control":${JSON.stringify(part.cache_control)}`
    if (part.type === 'text') return `{"type":"text","text":${this.#text(part.text)}${control}}`
    const { json } = this.#texts.of(part.image_url.url)
    return `{"type":"image_url","image_url":{"url":${json}}${control}}`
  }

  #tool({ function: { name, description, parameters, strict } }: ChatTool): string {
    const described = description === undefined ? '' : `,"description":${this.#text(description)}`
    const schema = JSON.stringify(parameters)
    this.textBytes += Buffer.byteLength(schema)
    const strictness = strict === true ? ',"strict":true' : ''
    return `{"type":"function","function":{"name":${this.#text(name)}${described},"parameters":${schema}${strictness}}}`
  }

  #text(text: string): string {
    const { json, bytes } = this.#texts.of(text)
    this.textBytes += bytes
    return json
  }
}
