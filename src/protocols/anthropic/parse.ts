import type { CountingProtocol, Draft } from '../../contract/protocol.ts'
import type { GenerateRequest, Sampling } from '../../contract/request.ts'
import type { CountRequest, MessagesRequest } from '../../wire/anthropic.ts'
import { decodeBody } from '../decode-body.ts'
import { refuseDeep } from '../json-depth.ts'
import { refuseField, UnknownType } from '../schema-error.ts'
import { refuseHalfCharacters } from '../stop-sequences.ts'
import { cacheMark } from './attachments.ts'
import { toConversation } from './conversation.ts'
import { refuseHosted } from './hosted-fields.ts'
import { openingOf } from './opening.ts'
import { sessionHint } from './session-hint.ts'
import type { Rules } from './strict.ts'
import { showsThinking, toThinking } from './thinking.ts'
import { toToolChoice, toTools } from './tools.ts'
import { checkCountRequest, checkMessagesRequest } from './validate.ts'

export interface Parser {
  readonly parse: CountingProtocol['parse']
  readonly parseCount: CountingProtocol['parseCount']
}

/**
 * Bytes to request, in the order in which mistakes are reported: UTF-8, JSON and shape at once, the meaning when the draft is
 * completed.
 */
export function createParser(rules: Rules): Parser {
  return {
    parse(body, exchange) {
      rules.checkHeaders(exchange)
      const wire = decodeBody(body) as MessagesRequest // as far as the next line finds
      const fault = unknownTypeIn(wire, checkMessagesRequest)
      if (fault === null) {
        rules.checkShape(wire)
        rules.checkGeneration(wire, exchange)
      }
      return draftOf(wire, wire, fault, () => {
        rules.checkMeaning(wire, exchange)
        return toRequest(wire, {
          maxTokens: wire.max_tokens,
          outputMustFit: rules.outputMustFit,
          sampling: samplingOf(wire),
          stopSequences: stopSequencesOf(wire),
          stream: wire.stream ?? false,
        })
      })
    },
    parseCount(body, exchange) {
      rules.checkHeaders(exchange)
      const wire = decodeBody(body) as CountRequest
      const fault = unknownTypeIn(wire, checkCountRequest)
      if (fault === null) rules.checkShape(wire)
      return draftOf(wire, {}, fault, () => {
        rules.checkMeaning(wire, exchange)
        return toRequest(wire, nothingGenerated)
      })
    },
  }
}

/** @throws HeadendError invalid-request: anything else that is wrong with the shape */
function unknownTypeIn(wire: object, check: (wire: object) => void): UnknownType | null {
  try {
    check(wire)
    return null
  } catch (cause) {
    if (cause instanceof UnknownType) return cause
    throw cause
  }
}

function draftOf(
  wire: CountRequest,
  generation: Partial<Pick<MessagesRequest, 'stream' | 'max_tokens'>>,
  fault: UnknownType | null,
  complete: () => GenerateRequest,
): Draft {
  return {
    model: wire.model,
    stream: generation.stream ?? false,
    maxTokens: generation.max_tokens ?? null,
    showsThinking: showsThinking(wire.thinking),
    sessionHint: sessionHint(wire.metadata?.user_id),
    fault,
    opening: () => openingOf(wire),
    complete() {
      if (fault !== null) throw fault
      return complete()
    },
  }
}

type Generation = Pick<GenerateRequest, 'maxTokens' | 'outputMustFit' | 'sampling' | 'stopSequences' | 'stream'>

const nothingGenerated: Generation = {
  maxTokens: null,
  outputMustFit: false,
  sampling: samplingOf({}),
  stopSequences: [],
  stream: false,
}

function toRequest(wire: CountRequest, generation: Generation): GenerateRequest {
  refuseHosted(wire)
  const { system, turns } = toConversation(wire.system, wire.messages, cacheMark(wire.cache_control))
  const tools = toTools(wire.tools ?? [])
  const toolChoice = toToolChoice(wire.tool_choice, tools)
  const thinking = toThinking(wire.thinking, generation.maxTokens, toolChoice)
  // Written out, because spreading objects together costs 3 us: as much as all of the above for a small request.
  return {
    model: wire.model,
    system,
    turns,
    tools,
    toolChoice,
    thinking,
    effort: wire.output_config?.effort ?? null,
    outputSchema: outputSchemaOf(wire, turns),
    maxTokens: generation.maxTokens,
    outputMustFit: generation.outputMustFit,
    sampling: generation.sampling,
    stopSequences: generation.stopSequences,
    stream: generation.stream,
    userId: wire.metadata?.user_id ?? null,
  }
}

/** The hosted API takes no prefill with a schema either: what the client began need not be the beginning of valid JSON. */
function outputSchemaOf(
  { output_config, output_format }: CountRequest,
  turns: GenerateRequest['turns'],
): GenerateRequest['outputSchema'] {
  const format = output_config?.format ?? output_format
  if (format == null) return null
  if (turns.at(-1)?.role === 'assistant') {
    throw refuseField('messages', 'a prefilled answer cannot be held to output_config.format; end with a user message')
  }
  refuseDeep(format.schema, output_config?.format == null ? 'output_format.schema' : 'output_config.format.schema')
  return format.schema as Readonly<Record<string, unknown>>
}

function samplingOf({ temperature, top_p, top_k }: Pick<MessagesRequest, 'temperature' | 'top_p' | 'top_k'>): Sampling {
  return {
    temperature: temperature ?? null,
    topP: top_p ?? null,
    topK: top_k ?? null,
    minP: null,
    seed: null,
    penalties: null,
    logitBias: null,
  }
}

function stopSequencesOf({ stop_sequences: stops = [] }: MessagesRequest): readonly string[] {
  for (const [index, stop] of stops.entries()) {
    const field = `stop_sequences.${index}`
    if (stop.trim() === '') throw refuseField(field, 'each stop sequence must contain non-whitespace')
    refuseHalfCharacters(stop, field)
  }
  return stops
}
