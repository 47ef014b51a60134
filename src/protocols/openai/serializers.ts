import {
  type ChatErrorBody,
  type Chunk,
  type Completion,
  type CompletionHead,
  chatErrorSchema,
  chunkSchema,
  completionSchema,
} from '../../wire/openai-reply.ts'
import { compileSerializer } from '../compile-serializer.ts'

export const encodeCompletion: (completion: Completion) => string = compileSerializer(completionSchema)
export const encodeErrorBody: (body: ChatErrorBody) => string = compileSerializer(chatErrorSchema)
const encodeChunk: (chunk: Chunk) => string = compileSerializer(chunkSchema)

/** Frames have no names here: https://platform.openai.com/docs/api-reference/chat-streaming */
function frame(data: string): string {
  return `data: ${data}\n\n`
}

/** A comment, which every reader passes over. */
export const keepAliveFrame = ': keep-alive\n\n'
export const doneFrame = frame('[DONE]')

export function chunkFrame(chunk: Chunk): string {
  return frame(encodeChunk(chunk))
}

/** @param body as `encodeErrorBody` made it */
export function errorFrame(body: string): string {
  return frame(body)
}

/** Around the quoted text of a piece. */
export interface PieceFrame {
  readonly head: string
  readonly tail: string
}

const noFinish = '},"logprobs":null,"finish_reason":null}]}\n\n'

/** The frame that is written for every token: constant but for its text, as in `../anthropic/serializers.ts`. */
export function textPiece({ id, created, model }: CompletionHead, field: 'content' | 'reasoning_content'): PieceFrame {
  return { head: `${pieceHead(id, created, model)}"${field}":`, tail: noFinish }
}

/** A piece of the arguments of a call. */
export function argumentsPiece({ id, created, model }: CompletionHead, index: number): PieceFrame {
  const delta = `"tool_calls":[{"index":${index},"function":{"arguments":`
  return { head: pieceHead(id, created, model) + delta, tail: `}}]${noFinish}` }
}

function pieceHead(id: string, created: number, model: string): string {
  const head = `{"id":"${id}","object":"chat.completion.chunk","created":${created},"model":${JSON.stringify(model)}`
  return `data: ${head},"choices":[{"index":0,"delta":{`
}
