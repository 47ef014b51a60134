import {
  type BlockStart,
  type BlockStop,
  blockStartSchema,
  blockStopSchema,
  type Count,
  countSchema,
  type DeltaType,
  deltaFields,
  type ErrorBody,
  errorSchema,
  type Message,
  type MessageDelta,
  type MessageStart,
  type Model,
  type ModelList,
  messageDeltaSchema,
  messageSchema,
  messageStartSchema,
  modelListSchema,
  modelSchema,
} from '../../wire/anthropic-reply.ts'
import { compileSerializer } from '../compile-serializer.ts'

// Compiled once, at module load: about 8 ms for all of them.
export const encodeMessage: (message: Message) => string = compileSerializer(messageSchema)
export const encodeErrorBody: (body: ErrorBody) => string = compileSerializer(errorSchema)
export const encodeCount: (count: Count) => string = compileSerializer(countSchema)
export const encodeModelItem: (model: Model) => string = compileSerializer(modelSchema)
export const encodeModelPage: (list: ModelList) => string = compileSerializer(modelListSchema)

const encodeMessageStart: (event: MessageStart) => string = compileSerializer(messageStartSchema)
const encodeBlockStart: (event: BlockStart) => string = compileSerializer(blockStartSchema)
const encodeBlockStop: (event: BlockStop) => string = compileSerializer(blockStopSchema)
const encodeMessageDelta: (event: MessageDelta) => string = compileSerializer(messageDeltaSchema)

/**
 * SDKs dispatch on the event's name, so it is never left out.
 * https://docs.anthropic.com/en/docs/build-with-claude/streaming
 */
function frame(event: string, data: string): string {
  return `event: ${event}\ndata: ${data}\n\n`
}

export const pingFrame = frame('ping', '{"type":"ping"}')
export const messageStopFrame = frame('message_stop', '{"type":"message_stop"}')

export function messageStartFrame(event: MessageStart): string {
  return frame('message_start', encodeMessageStart(event))
}

export function blockStartFrame(event: BlockStart): string {
  return frame('content_block_start', encodeBlockStart(event))
}

export function blockStopFrame(event: BlockStop): string {
  return frame('content_block_stop', encodeBlockStop(event))
}

export function messageDeltaFrame(event: MessageDelta): string {
  return frame('message_delta', encodeMessageDelta(event))
}

/** @param body as `encodeErrorBody` made it */
export function errorFrame(body: string): string {
  return frame('error', body)
}

/** Everything of a delta's frame that stands in front of its text: the same for all deltas of one block. */
export function deltaHead(index: number, type: DeltaType): string {
  const data = `{"type":"content_block_delta","index":${index},"delta":{"type":"${type}","${deltaFields[type]}":`
  return `event: content_block_delta\ndata: ${data}`
}

/**
 * The frame that is written for every token. A constant head in front of the quoted text takes 72 ns, a compiled
 * serializer for the whole event 120 ns, `JSON.stringify` of the whole event 430 ns (Node 20, words of 1 to 9 letters).
 */
export function deltaFrame(head: string, text: string): string {
  return head + JSON.stringify(text) + deltaTail
}

export const deltaTail = '}}\n\n'
