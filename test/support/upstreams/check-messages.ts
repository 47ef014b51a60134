import type { IncomingHttpHeaders } from 'node:http'

/** https://docs.anthropic.com/en/api/messages, as far as these tests go. */
const fields: ReadonlySet<string> = new Set([
  'model',
  'max_tokens',
  'messages',
  'system',
  'stream',
  'stop_sequences',
  'temperature',
  'top_p',
  'top_k',
  'tools',
  'tool_choice',
  'thinking',
  'output_config',
  'metadata',
  'service_tier',
])

const versions: ReadonlySet<unknown> = new Set(['2023-06-01', '2026-10-21'])

/** @returns what the hosted API says against the request; `null`: it accepts it */
export function faultOfMessagesRequest(
  body: Readonly<Record<string, unknown>>,
  headers: IncomingHttpHeaders,
): string | null {
  if (!versions.has(headers['anthropic-version'])) return 'anthropic-version: header is required'
  const unknown = Object.keys(body).find((field) => !fields.has(field))
  if (unknown !== undefined) return `${unknown}: Extra inputs are not permitted`
  const messages = body.messages as readonly { readonly role: string; readonly content: unknown }[] | undefined
  if (messages === undefined || messages.length === 0) return 'messages: at least one message is required'
  for (const [index, { content }] of messages.entries()) {
    const called = idsOf(messages[index - 1]?.content, 'tool_use', 'id')
    const answered = idsOf(content, 'tool_result', 'tool_use_id')
    if (called.length !== answered.length || called.some((id) => !answered.includes(id))) {
      return `messages.${index}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${called}`
    }
  }
  return null
}

function idsOf(content: unknown, type: string, field: string): readonly unknown[] {
  if (!Array.isArray(content)) return []
  return (content as readonly Readonly<Record<string, unknown>>[])
    .filter((block) => block.type === type)
    .map((block) => block[field])
}
