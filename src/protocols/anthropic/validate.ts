import type { ValidateFunction } from 'ajv'
import {
  blockSchemas,
  type CountRequest,
  customToolSchema,
  documentSourceSchemas,
  generationSchema,
  imageSourceSchemas,
  type MessageParam,
  type MessagesRequest,
  messageSchema,
  promptSchema,
  thinkingSchemas,
  toolChoiceSchemas,
} from '../../wire/anthropic.ts'
import { type Branches, compileBranches, compileSchema } from '../compile-schema.ts'
import { excerpt, refuseField, refuseTag, schemaError, UnknownType } from '../schema-error.ts'
import { isHostedType } from './hosted-blocks.ts'

const isPrompt = compileSchema(promptSchema)
const isGeneration = compileSchema(generationSchema)
const isMessage = compileSchema(messageSchema)
const isCustomTool = compileSchema(customToolSchema)
const blocks = compileBranches(blockSchemas)
const imageSources = compileBranches(imageSourceSchemas)
const documentSources = compileBranches(documentSourceSchemas)
const toolChoices = compileBranches(toolChoiceSchemas)
const thinkings = compileBranches(thinkingSchemas)

const messageBlocks = without(blocks, ['tool_reference'])
const resultBlocks = only(blocks, ['text', 'image', 'document', 'search_result', 'tool_reference'])
const textBlocks = only(blocks, ['text'])
const documentBlocks = only(blocks, ['text', 'image'])

/** @throws HeadendError invalid-request, naming the first field that does not fit */
export function checkMessagesRequest(body: object): asserts body is MessagesRequest {
  check(isPrompt, body)
  check(isGeneration, body)
  checkUnions(body as MessagesRequest)
}

/** As `checkMessagesRequest`, without the fields of generation. */
export function checkCountRequest(body: object): asserts body is CountRequest {
  check(isPrompt, body)
  checkUnions(body as CountRequest)
}

function check(validate: ValidateFunction, value: unknown, path = ''): void {
  if (!validate(value)) throw schemaError(path, validate.errors ?? [])
}

function checkUnions(body: CountRequest): void {
  if (Array.isArray(body.system)) checkSystem(body.system)
  checkMessages(body.messages)
  if (body.tools !== undefined) checkTools(body.tools)
  if (body.tool_choice !== undefined) checkTagged(toolChoices, body.tool_choice, 'tool_choice')
  if (body.thinking !== undefined) checkTagged(thinkings, body.thinking, 'thinking')
}

/** Only text can stand here, so the tag is not part of the path: `system.0.text: Field required`. */
function checkSystem(system: readonly unknown[]): void {
  for (let index = 0; index < system.length; index++) {
    const block = system[index]
    const path = `system.${index}`
    const validate = textBlocks.get(tagOf(block) as string)
    if (validate === undefined) throw refuseUntagged(textBlocks, block, path)
    check(validate, block, path)
  }
}

function checkMessages(messages: readonly MessageParam[]): void {
  if (messages.length === 0) throw refuseField('messages', 'at least one message is required')
  for (let index = 0; index < messages.length; index++) {
    const message = messages[index] as MessageParam
    if (!isMessage(message)) throw schemaError(`messages.${index}`, isMessage.errors ?? [])
    const { content } = message as MessageParam
    if (typeof content !== 'string') checkBlocks(messageBlocks, content, `messages.${index}.content`)
  }
}

function checkBlocks(branches: Branches, content: readonly unknown[], path: string): void {
  for (let index = 0; index < content.length; index++) {
    const block = content[index]
    if (branches === messageBlocks && isHostedBlock(block)) continue
    const here = `${path}.${index}`
    checkTagged(branches, block, here)
    checkInside(block as NestingBlock, here)
  }
}

/** The blocks that hold unions of their own, before those were checked. */
type NestingBlock =
  | { readonly type: 'image' | 'document'; readonly source: { readonly type: string; readonly content?: unknown } }
  | { readonly type: 'search_result' | 'tool_result'; readonly content?: unknown }
  | { readonly type: 'text' }

function checkInside(block: NestingBlock, path: string): void {
  switch (block.type) {
    case 'image':
      checkTagged(imageSources, block.source, `${path}.image.source`)
      break
    case 'document':
      checkTagged(documentSources, block.source, `${path}.document.source`)
      if (block.source.type === 'content') {
        checkList(documentBlocks, block.source.content, `${path}.document.source.content`)
      }
      break
    case 'search_result':
    case 'tool_result':
      checkList(block.type === 'tool_result' ? resultBlocks : textBlocks, block.content, `${path}.${block.type}`)
      break
    default: // the others were checked whole by their own schema
  }
}

/** @param parent path of the object whose `content` this is; a string or nothing was checked already */
function checkList(branches: Branches, content: unknown, parent: string): void {
  if (Array.isArray(content)) checkBlocks(branches, content, `${parent}.content`)
}

const clientToolTypes = /^(bash|text_editor|memory|computer)_\d/
const serverToolTypes = /^(web_search|web_fetch|code_execution|tool_search|mcp_toolset|advisor)|toolset/

function checkTools(tools: readonly unknown[]): void {
  for (let index = 0; index < tools.length; index++) {
    const tool = tools[index]
    const path = `tools.${index}`
    const type = tagOf(tool) ?? 'custom' // most clients leave it out
    if (type !== 'custom') throw refuseToolType(path, type)
    check(isCustomTool, tool, typeof tool === 'object' ? `${path}.custom` : path)
  }
}

function refuseToolType(path: string, type: unknown): Error {
  if (typeof type !== 'string') return refuseField(`${path}.type`, 'Input should be a valid string')
  if (clientToolTypes.test(type)) {
    const message = `tool type ${excerpt(type)} is not supported by this server; declare it as a custom tool`
    return new UnknownType(path, message)
  }
  if (serverToolTypes.test(type)) return new UnknownType(path, `server tool ${excerpt(type)} is not available`)
  return refuseTag(path, type, ['custom'])
}

/** Looks at `type` first, then checks the one branch that it names: one precise error instead of one per branch. */
function checkTagged(branches: Branches, value: unknown, path: string): void {
  const tag = tagOf(value)
  const validate = branches.get(tag as string)
  if (validate === undefined) throw refuseUntagged(branches, value, path)
  if (!validate(value)) throw schemaError(`${path}.${tag}`, validate.errors ?? [])
}

function refuseUntagged(branches: Branches, value: unknown, path: string): Error {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refuseField(path, 'Input should be a valid dictionary')
  }
  const tag = tagOf(value)
  if (tag === undefined) return refuseField(`${path}.type`, 'Field required')
  if (typeof tag !== 'string') return refuseField(`${path}.type`, 'Input should be a valid string')
  return refuseTag(path, tag, [...branches.keys()])
}

function tagOf(value: unknown): unknown {
  return (value as { readonly type?: unknown } | null | undefined)?.type
}

function isHostedBlock(block: unknown): boolean {
  const tag = tagOf(block)
  return typeof tag === 'string' && !blocks.has(tag) && isHostedType(tag)
}

function only(branches: Branches, tags: readonly string[]): Branches {
  return new Map([...branches].filter(([tag]) => tags.includes(tag)))
}

function without(branches: Branches, tags: readonly string[]): Branches {
  return new Map([...branches].filter(([tag]) => !tags.includes(tag)))
}
