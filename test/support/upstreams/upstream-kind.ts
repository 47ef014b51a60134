import type { IncomingHttpHeaders } from 'node:http'
import type { Transcripts } from './transcripts.ts'

/** A kind of server: what it answers stands in its fixture, here is how it behaves. */
export interface UpstreamKind {
  readonly name: string
  readonly protocol: 'openai' | 'anthropic'
  /** The one that its fixture was made with. */
  readonly model: string
  /** It answers nobody who does not show this. */
  readonly key: string | null
  readonly transcripts: Transcripts
  /** Of every answer, beside the content type. */
  readonly headers: Readonly<Record<string, string>>
  readonly refusalHeaders: Readonly<Record<string, string>>
  readonly eventStream: string
  /** It answers as HTTP/1.0: the end of the connection is the end of the body. */
  readonly isOldHttp: boolean
  /** Which refusal this request gets and why; `null`: none. */
  refuse(body: Readonly<Record<string, unknown>>, headers: IncomingHttpHeaders): Fault | null
  /** In a config file; empty where none is needed. */
  readonly quirks: Readonly<Record<string, unknown>>
  readonly expected: Expected
}

/** `scene` of the fixture, where `{MESSAGE}` stands for the message. */
export interface Fault {
  readonly scene: string
  readonly message: string
}

/** What a client of headend sees of it. */
export interface Expected {
  readonly usage: { readonly input: number; readonly cached: number }
  /** `null`: it keeps its thoughts to itself. */
  readonly thought: string | null
  /** Of the thought; `null`: it does not say. */
  readonly thinkingTokens: number | null
  /** Tokens of a prompt, where it has a tokenizer that can be asked; `null`: headend estimates them. */
  readonly counted: number | null
  /** By scene. */
  readonly refusals: Readonly<Record<string, Refusal>>
  /** When it breaks off amid a stream. */
  readonly broken: { readonly type: string; readonly message: RegExp }
}

export interface Refusal {
  readonly status: number
  readonly type: string
  readonly message: string
}

/** What the tests ask for, told from the request alone, so that a real server could be asked the same. */
export const prompts = {
  text: 'What is the capital of France?',
  tools: 'What is the weather in Paris and in Rome?',
  thinking: 'What is 17 times 3?',
} as const

/** Asks a fake for any section of its fixture. */
export function scenePrompt(scene: string): string {
  return `Scene: ${scene}`
}

interface AnyMessage {
  readonly role: string
  readonly content: unknown
}

export function sceneOf(body: Readonly<Record<string, unknown>>): string {
  const last = (body.messages as readonly AnyMessage[]).at(-1)
  const text = JSON.stringify(last?.content ?? '')
  if (last?.role === 'tool' || text.includes('"tool_result"')) return 'answer'
  const asked = /Scene: (\w+)/.exec(text)?.[1]
  if (asked !== undefined) return asked
  if (text.includes(prompts.tools)) return 'tools'
  if (text.includes(prompts.thinking)) return 'thinking'
  return body.stop_sequences === undefined ? 'text' : 'stop' // only Anthropic's API is told them
}
