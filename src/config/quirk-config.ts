import type { UpstreamQuirks } from '../backends/upstream/settings.ts'
import type { ThinkPair } from '../text/think-tags.ts'
import { shapeOf, type Written } from './config-file.ts'
import { booleanKind, choiceKind, integerKind, orNone, Refusal, textKind } from './value-kinds.ts'
import { listOf, type Reader, readGiven, single } from './written-fields.ts'

const onOrOff = single(booleanKind)

/** What each quirk may be. Why it exists stands in `UpstreamQuirks`, what it does in docs/upstreams.md. */
export const quirkReaders = {
  systemRole: single(choiceKind(['system', 'developer'])),
  inlineSystem: single(choiceKind(['keep', 'fold'])),
  maxTokensField: single(choiceKind(['auto', 'max_tokens', 'max_completion_tokens'])),
  outputTokensMax: single(orNone(integerKind({ min: 1, max: 1_000_000_000 }))),
  sampling: onOrOff,
  extraSampling: onOrOff,
  streamOptions: onOrOff,
  streaming: onOrOff,
  textOnly: onOrOff,
  images: onOrOff,
  emptyContent: readEmptyContent,
  prefill: single(choiceKind(['continue', 'plain', 'refuse'])),
  thinking: single(choiceKind(['reasoning_effort', 'chat_template_kwargs', 'thinking', 'reasoning', 'none'])),
  highEfforts: onOrOff,
  reasoningHistory: single(choiceKind(['drop', 'reasoning_content', 'reasoning', 'think_tags'])),
  thinkTags: single(choiceKind(['auto', 'on', 'off'])),
  thinkMarkers: readThinkMarkers,
  interleavedThinking: onOrOff,
  thinkingOpenInPrompt: onOrOff,
  unwantedThinking: single(choiceKind(['discard', 'keep'])),
  reportsStop: onOrOff,
  strictTools: onOrOff,
  cacheControl: onOrOff,
  sendsUser: onOrOff,
  tokenizePath: single(orNone({ accepts: 'a path such as /tokenize', parse: parsePath })),
  extraBody: readExtraBody,
} satisfies { readonly [Name in keyof UpstreamQuirks]: Reader<UpstreamQuirks[Name]> }

/** Only what is given: the rest is up to whoever is asked next. */
export function readQuirks(written: Written, problems: string[]): Partial<UpstreamQuirks> {
  return readGiven(written, quirkReaders, problems)
}

/** `null` without quotes is a value of its own in YAML and JSON, and here means the same as the text. */
function readEmptyContent({ value }: Written): UpstreamQuirks['emptyContent'] {
  if (value === null || value === 'null') return 'null'
  if (value === 'empty') return 'empty'
  throw new Refusal(`expected empty or null, got ${shapeOf(value)}`)
}

function readThinkMarkers(written: Written, problems: string[]): readonly ThinkPair[] | null {
  if (written.value === null) return null
  const pairs = listOf(readThinkPair)(written, problems)
  if (written.items()?.length === 0) throw new Refusal('expected at least one pair; null stands for the usual ones')
  return pairs
}

function readThinkPair(written: Written, problems: string[]): ThinkPair {
  const readers = { open: single(textKind), close: single(textKind) }
  const { open = '', close = '' } = readGiven(written, readers, problems, { required: ['open', 'close'] })
  return { open, close }
}

function parsePath(input: unknown): string {
  const path = textKind.parse(input)
  if (!/^\/[\w./~%-]+$/.test(path)) throw new Refusal('expected a path such as /tokenize')
  return path
}

/** What headend has to write itself: changed by hand, the answer could not be read any more. */
const writtenHere: readonly string[] = ['model', 'messages', 'stream']

function readExtraBody(written: Written, problems: string[]): UpstreamQuirks['extraBody'] {
  const fields = written.fields()
  if (fields === null) throw new Refusal(`expected a mapping, got ${shapeOf(written.value)}`)
  for (const { key, written: field } of fields) {
    if (writtenHere.includes(key)) problems.push(`${field.place}: ${field.path}: headend writes this field itself`)
  }
  return Object.fromEntries(fields.map(({ key, written: field }) => [key, field.value]))
}
